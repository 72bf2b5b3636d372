"""Check the labelled images of a library."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from curate import engine
from curate.augment.check import check, taught_by
from curate.augment.checks.looking import look
from curate.augment.checks.proposal import Proposal, proposed
from curate.augment.checks.rows import COLUMNS
from curate.augment.checks.sheet import unsafe_sheet
from curate.augment.checks.transforms import transforms_of
from curate.core.errors import InputError
from curate.core.names import UNKNOWN
from curate.models import checkpoint as checkpoints
from curate.models.plan import plan_of
from curate.models.runner import Runner
from curate.store import decisions, facts, runs, thumbnails
from curate.store.library import Library

STAGE = "augment check"

UNSEEN = ("test", "benchmark")
"""Splits that are not looked at: a policy that was chosen by them would be measured by them."""


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes
    ----------
    verdicts : DataFrame
        `rows.COLUMNS`, then path and split ('' for a class, and where an image has none).
    proposal : Proposal
        A policy for a person to look at.
    images : DataFrame
        image_id, path, class, split, bbox: what was looked at.
    failures : DataFrame
        image_id, path, stage, reason.
    taught : str or None
        The recipe that the model was trained with; None where nobody knows, or without a model.
    """

    verdicts: pd.DataFrame
    proposal: Proposal
    images: pd.DataFrame
    failures: pd.DataFrame
    taught: str | None


def check_library(
    library: Library,
    recipe: str,
    model: str | os.PathLike[str] | None = None,
    *,
    device: str = "auto",
    batch_size: int | None = None,
    workers: int = 0,
) -> Checked:
    """Check a recipe on the labelled images of a library; nothing is changed.

    Parameters
    ----------
    library : Library
        Its images of train and val, and those without a split; never test or the benchmark.
    recipe : str
        Of the augmentation.
    model : path-like, optional
        A checkpoint. Without one, only what the images themselves show is checked.
    device, batch_size : str, int
        How the model is run.
    workers : int
        Threads that read and decode; 0 for one a core.

    Raises
    ------
    InputError
        There is nothing to look at, or the recipe cannot be read.
    CheckpointError
        The model cannot be loaded.
    """
    transforms = transforms_of(recipe)
    images = _images(library)
    cores = engine.available_cores()
    checkpoint = checkpoints.load(model) if model else None
    parameters = {"recipe": recipe, "model": checkpoint.digest if checkpoint else None}
    with runs.running(library, STAGE, parameters, alone=False) as run:
        runner = None
        if checkpoint is not None:
            plan, _ = plan_of(
                checkpoint,
                images=0,
                device=device,
                batch_size=batch_size,
                cores=cores,
                features=True,
            )
            runner = Runner(checkpoint, replace(plan, streams=1, threads=cores), features=True)
        with engine.progress("Checking", len(images)) as advance:
            seen = look(images, transforms, runner, workers or cores, advance)
        taught = taught_by(checkpoint.settings if checkpoint else {})
        verdicts = check(recipe, seen.subjects, seen.seen, seen.features, taught)
        proposal = proposed(verdicts, recipe)
        verdicts = _placed(verdicts, images)
        run.summary.update(
            images=len(images),
            failures=len(seen.failures),
            unsafe=int((verdicts["verdict"] == "unsafe").sum()),
            proposed=proposal.augment_classes,
        )
    said = checkpoint.settings.get("augment") if checkpoint else None
    return Checked(verdicts, proposal, images, seen.failures, said)


def sheet(library: Library, checked: Checked) -> bytes:
    """Draw what is unsafe, as one JPEG."""
    return unsafe_sheet(
        checked.verdicts,
        checked.images,
        checked.proposal.augment,
        lambda image_ids: thumbnails.fetch(library, image_ids),
    )


def _images(library: Library) -> pd.DataFrame:
    with library.reading() as connection:
        table = facts.images(connection)
        details = decisions.current(connection, "label").set_index("image_id")["detail"]
    boxes = details.map(lambda detail: str(detail.get("bbox", ""))).reindex(table["image_id"])
    table = table.assign(bbox=boxes.fillna("").to_numpy())
    named = table["usable"] & table["label"].notna() & (table["label"] != UNKNOWN)
    # Variants of one image are no evidence beside it, and may have been made by the very recipe.
    tied = table.get(f"{facts.GROUP_PREFIX}{facts.PARENT}", pd.Series(None, table.index, object))
    named &= ~((table["origin"] == "synthetic") & tied.notna())
    table = table[named & ~table["split"].isin(UNSEEN)].rename(columns={"label": "class"})
    if table.empty:
        raise InputError(
            str(Path(library.root)),
            "there is no labelled image outside test and benchmark",
            "Scan photos with labels first: curate scan FOLDER --labels folder.",
        )
    columns = ["image_id", "path", "class", "split", "bbox"]
    return table[columns].reset_index(drop=True)


def _placed(verdicts: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Lay the path and the split of each image beside its verdict."""
    known = images.set_index("image_id")[["path", "split"]]
    places: dict[str, Any] = {
        name: verdicts["image_id"].map(known[name]).fillna("").astype("str")
        for name in ("path", "split")
    }
    return verdicts.assign(**places)[[*COLUMNS, "path", "split"]]
