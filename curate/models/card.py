"""What a checkpoint is, in words: the card that a person reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from curate.models.checkpoint import Checkpoint, describe
from curate.models.preprocess import Preprocessing

FIRST = 12
"""Class names that a card shows of many."""


@dataclass(frozen=True)
class Card:
    """A checkpoint in words.

    Attributes
    ----------
    warning : str
        What must not be overlooked; empty where there is nothing.
    rows : tuple of (str, str)
        What it is called, and what it is; in the order in which to read.
    measures : tuple of (str, float or None, float or None)
        What was measured: its name, on val, on test.
    thresholds : tuple of (str, str, float or None, float or None)
        A wanted precision, the score that is enough for it, and on test the share that was right
        of the images above it, and their share of all.
    """

    warning: str
    rows: tuple[tuple[str, str], ...]
    measures: tuple[tuple[str, float | None, float | None], ...]
    thresholds: tuple[tuple[str, str, float | None, float | None], ...]


def card_of(checkpoint: Checkpoint, all_classes: bool = False) -> Card:
    """Say what a checkpoint is, what it was made from and how good it is.

    Parameters
    ----------
    checkpoint : Checkpoint
        Of ours or from elsewhere: what is not known is said to be unknown.
    all_classes : bool
        Name all classes, and not only the first `FIRST`.
    """
    return Card(
        warning=_warning(checkpoint),
        rows=tuple((name, _printable(text)) for name, text in _rows(checkpoint, all_classes)),
        measures=_measures(checkpoint.metrics),
        thresholds=tuple(
            (
                wanted,
                # All its digits: rounded down, it would be less than enough.
                f"{score:.6f}".rstrip("0"),
                checkpoint.metrics.get(f"test_precision_at_{wanted}"),
                checkpoint.metrics.get(f"test_coverage_at_{wanted}"),
            )
            for wanted, score in sorted(
                checkpoint.thresholds.items(), key=lambda pair: float(pair[0])
            )
        ),
    )


def is_named(checkpoint: Checkpoint) -> bool:
    """Whether its classes have names, and not the numbers that `load` makes up for them."""
    return checkpoint.classes != tuple(f"output {n + 1}" for n in range(len(checkpoint.classes)))


def _warning(checkpoint: Checkpoint) -> str:
    if not checkpoint.throw_away:
        return ""
    lowered = "" if checkpoint.min_count is None else f" with the min-count {checkpoint.min_count}"
    return f"THROW-AWAY MODEL, trained{lowered} only to find more images: not to be deployed."


def _rows(checkpoint: Checkpoint, all_classes: bool) -> list[tuple[str, str]]:
    said = describe(checkpoint)
    rows = [
        ("digest", checkpoint.digest or "none yet: it lies in no file"),
        ("architecture", checkpoint.arch),
        ("parameters", f"{said['parameters']:,}"),
        ("input", _input(checkpoint.preprocessing)),
        ("classes", _classes(checkpoint, all_classes)),
        ("min-count", "not known" if checkpoint.min_count is None else str(checkpoint.min_count)),
        ("parent", checkpoint.parent or ("none" if checkpoint.settings else "not known")),
        ("split", checkpoint.split or "not known"),
        ("data", checkpoint.data or "not known"),
        ("licence", _licence(checkpoint)),
        ("temperature", _temperature(checkpoint)),
        ("novelty", "can be measured" if checkpoint.novelty else "cannot be measured"),
    ]
    trained = _pairs(checkpoint.settings)
    made = _pairs({name: value for name, value in checkpoint.metrics.items() if _alone(name)})
    versions = ", ".join(f"{name} {version}" for name, version in checkpoint.versions.items())
    rows += [("epoch kept", made)] if made else []
    rows += [("trained with", trained)] if trained else []
    return rows + ([("made by", versions)] if versions else [])


def _input(used: Preprocessing) -> str:
    numbers = [", ".join(f"{value:.3g}" for value in values) for values in (used.mean, used.std)]
    return (
        f"{used.width} × {used.height} pixels, {used.interpolation}, {used.crop_mode}, "
        f"crop {used.crop_pct:.3g}, mean {numbers[0]}, std {numbers[1]}"
    )


def _classes(checkpoint: Checkpoint, everything: bool) -> str:
    classes = checkpoint.classes
    if not is_named(checkpoint):
        return f"{len(classes):,}, which the file does not name"
    shown = classes if everything else classes[:FIRST]
    left = len(classes) - len(shown)
    more = f" … and {left:,} more" if left else ""
    return f"{len(classes):,}: {', '.join(shown)}{more}"


def _licence(checkpoint: Checkpoint) -> str:
    if checkpoint.licence:
        return f"{checkpoint.licence} (of the weights that it descends from)"
    own = bool(checkpoint.settings) and not checkpoint.settings.get("pretrained")
    if own and checkpoint.parent is None:
        return "none: trained from random weights"
    return "not known: it is that of the weights it descends from"


def _temperature(checkpoint: Checkpoint) -> str:
    if checkpoint.temperature == 1:
        return "1 (uncalibrated)"
    return f"{checkpoint.temperature:.4g}"


def _pairs(values: Mapping[str, Any]) -> str:
    """List what is set; what is empty, off or left to the program says nothing."""
    said = {
        name: value
        for name, value in values.items()
        if value is not None and value is not False and value not in ("", "none", (), [], {})
    }
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in said.items())


def _value(value: Any) -> str:
    if value is True:
        return "yes"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _alone(name: str) -> bool:
    """Whether a metric is of the kept epoch, and not of a split."""
    return not name.startswith(("val_", "test_"))


def _measures(
    metrics: Mapping[str, float],
) -> tuple[tuple[str, float | None, float | None], ...]:
    """Put what was measured on val beside the same on test, in the order of the metrics."""
    names = dict.fromkeys(
        name.partition("_")[2] for name in metrics if not _alone(name) and "_at_" not in name
    )
    return tuple(
        (name.replace("_", " "), metrics.get(f"val_{name}"), metrics.get(f"test_{name}"))
        for name in names
    )


def _printable(text: str) -> str:
    """Take out what would steer a terminal: names come out of files from anywhere."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
