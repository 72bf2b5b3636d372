"""Find the near-duplicates of a library; only what is new is compared."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd
from sqlalchemy import select

from curate.core.errors import InputError
from curate.core.hashes import HASHES
from curate.duplicates import groups
from curate.duplicates.crossing import across
from curate.duplicates.embeddings import by_embedding
from curate.duplicates.evidence import Evidence
from curate.duplicates.layout import Duplicates, laid_out
from curate.duplicates.policy import DuplicatePolicy
from curate.duplicates.remembered import STAGE, Remembered, key_of
from curate.duplicates.search import arranged
from curate.duplicates.verify import judged
from curate.store import duplicates as groups_table
from curate.store import facts, files, runs, schema, views
from curate.store.library import Library


def find(
    library: Library, policy: DuplicatePolicy, embeddings: pd.DataFrame | None = None
) -> Duplicates:
    """Compare what is new with everything there, and group the library anew.

    Parameters
    ----------
    library : Library
        Read; what was computed and the groups are written down.
    policy : DuplicatePolicy
        What is asked.
    embeddings : DataFrame, optional
        image_id and embedding (a list of numbers); the nearest neighbours are compared too.
    """
    with runs.running(library, STAGE, asdict(policy), key_of(policy)) as run:
        remembered = Remembered(library, policy, run.run_id)
        remembered.tidy()
        remembered.hash_new()
        images = known_images(library)
        compared = remembered.compare_new(images)
        if embeddings is not None:
            known = embeddings[embeddings["image_id"].isin(images["image_id"])]
            remembered.compare_neighbours(by_embedding(known))
        measures = _measures(remembered, images)
        with library.reading() as connection:
            apart = groups_table.apart(connection)
        table, alike = arranged(
            measures, Evidence.of(images), images, remembered.fetch, policy, apart
        )
        table["tie"] = _usable_ties(table, alike, images)
        with library.writing() as connection:
            groups_table.replace(connection, run.run_id, table)
        found = read(library, images, compared)
        run.summary.update(
            images=len(images),
            compared=compared,
            groups=int(found.table["group"].nunique()),
            conflicts=len(found.conflicts),
        )
    return found


def _measures(remembered: Remembered, images: pd.DataFrame) -> pd.DataFrame:
    """Give what is remembered of pairs of images that are both still there."""
    measures, there = remembered.measures(), images["image_id"]
    return measures[measures["first"].isin(there) & measures["second"].isin(there)]


def _usable_ties(table: pd.DataFrame, alike: pd.DataFrame, images: pd.DataFrame) -> list[str]:
    """Tie what hangs together by usable images: a rejected one between two ties nothing."""
    usable = images.loc[images["usable"], "image_id"]
    ties = groups.ties(alike[alike["first"].isin(usable) & alike["second"].isin(usable)])
    return [ties.get(image_id, image_id) for image_id in table["image_id"]]


def read(library: Library, images: pd.DataFrame, compared: int = 0) -> Duplicates:
    """Lay out the groups as they were found last, and the exact copies beside them."""
    with library.reading() as connection:
        table = groups_table.read(connection)
        places = files.table(connection)
    return laid_out(table, images, places[places["status"] == "ok"], compared)


def leaks(library: Library, policy: DuplicatePolicy) -> pd.DataFrame:
    """Find the near-duplicates that the permanent split of a library has parted.

    Returns
    -------
    DataFrame
        As `crossing.across` gives it, by what was compared when `find` was last called.

    Raises
    ------
    InputError
        There is no split: nobody is to hear that nothing leaks.
    """
    images = known_images(library)
    if not (images["split"] != "").any():
        raise InputError(str(library.root), "there is no split yet", "Run `curate split` first.")
    measures = _measures(Remembered(library, policy, run_id=0), images)
    alike = judged(measures, Evidence.of(images), policy.similarity)
    with library.reading() as connection:
        apart = groups_table.apart(connection)
        places = files.table(connection)
    places = places[places["status"] == "ok"].merge(images[["image_id", "split"]], on="image_id")
    return across(places.rename(columns={"split": "side"}), alike, apart)


def part(library: Library, first: str, second: str, *, apart: bool) -> bool:
    """Write down for ever that two images are no duplicates, or take that back.

    Returns
    -------
    bool
        Whether that was news.

    Raises
    ------
    InputError
        It is one image.
    """
    if first == second:
        raise InputError(
            first, "both files hold the same content: one image", "Give two different images."
        )
    asked = {"first": first, "second": second, "apart": apart}
    with runs.running(library, STAGE, asked) as run, library.writing() as connection:
        return bool(groups_table.part(connection, run.run_id, first, second, apart=apart))


_LOOKS = ("quality", "camera", "latitude", "longitude", *HASHES)


def known_images(library: Library) -> pd.DataFrame:
    """Give what evidence and keepers want to know of every image that can be read."""
    columns = [schema.images.c[name] for name in ("image_id", "bytes", "width", "height")]
    with library.reading() as connection:
        images = facts.images(connection)
        contents = pd.DataFrame(
            connection.execute(select(*columns)).all(), columns=[column.name for column in columns]
        )
    looks = views.looked(library, *_LOOKS)
    wanted = images.loc[
        images["path"] != "", ["image_id", "usable", "label", "origin", "split", "taken"]
    ]
    return wanted.merge(contents, on="image_id").merge(looks, on="image_id", how="left")
