"""Pictures of a training for those who watch it from elsewhere."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

MOST_CLASSES = 40
"""Classes in the picture of recalls: the weakest ones."""

_DPI = 100

_CURVES = {"loss": ("loss", "val_loss"), "right on val": ("val_accuracy", "val_recall")}


def curves(history: pd.DataFrame) -> Pixels:
    """Draw losses, accuracy and recall by epoch.

    Parameters
    ----------
    history : DataFrame
        As `TrainResult.history`.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """

    def draw(figure: Figure) -> None:
        for axes, (label, names) in zip(figure.subplots(1, 2), _CURVES.items(), strict=True):
            for name in names:
                axes.plot(history["epoch"], history[name], marker=".", label=name)
            axes.set(xlabel="epoch", ylabel=label)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.legend()

    return _drawn((9, 4), draw)


def recalls(table: pd.DataFrame) -> Pixels:
    """Draw the recall on test of the `MOST_CLASSES` weakest classes as bars, the weakest on top.

    Parameters
    ----------
    table : DataFrame
        As `TrainResult.recalls`; a class without images has no bar.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    measured = table[table["images"] > 0].sort_values(["recall", "class"])
    weakest = measured.head(MOST_CLASSES)[::-1]
    left_out = f", the weakest {len(weakest)} of {len(measured)}" * (len(weakest) < len(measured))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        places = np.arange(len(weakest))
        axes.barh(places, weakest["recall"].to_numpy(float))
        axes.set_yticks(places, [str(name)[:40] for name in weakest["class"]])
        axes.set(xlabel=f"recall on test{left_out}", xlim=(0, 1))

    return _drawn((7, 1.5 + 0.2 * len(weakest)), draw)


def _drawn(inches: tuple[float, float], draw: Callable[[Figure], None]) -> Pixels:
    # Names are names, not formulas; and one in a script that the font lacks is drawn as boxes,
    # which is no reason to have no picture.
    with mpl.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=inches, dpi=_DPI, layout="constrained")
        draw(figure)
        raw = io.BytesIO()
        figure.savefig(raw, format="rgba")
    pixels = np.frombuffer(raw.getvalue(), np.uint8)
    return pixels.reshape(-1, round(inches[0] * _DPI), 4)[..., :3].copy()
