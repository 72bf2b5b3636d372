"""The index says what the library says, whatever happened since it was made."""

from __future__ import annotations

import os
import random
from collections.abc import Hashable, Sequence

import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal
from sqlalchemy import Connection

from curate.core.errors import LibraryError
from curate.core.identity import Content
from curate.queues.filters.filters import Filters
from curate.queues.index import counted, indexed, overlaid
from curate.queues.index.candidates import candidates, labelled
from curate.queues.recipe import CANDIDATE_COLUMNS, PREDICTION_COLUMNS
from curate.store import decisions, duplicates, facts, files, looks, runs, schema, shards, views
from curate.store.decisions import Decision
from curate.store.files import FileRow
from curate.store.library import Library

from ..cases import CLASSES, last_said, predict, said

EVERYTHING = Filters(labelled=True, one_per_group=False)
NAMES = tuple(f"{number:02d}" for number in range(12))


def direct(library: Library, run_ids: Sequence[int]) -> pd.DataFrame:
    """The candidates as tables say them: no index, and no SQL of its."""
    with library.reading() as connection:
        images = facts.images(connection).set_index("image_id")
        pictures = pd.DataFrame(connection.execute(schema.images.select()).mappings().all())
        log = pd.DataFrame(connection.execute(schema.decisions.select()).mappings().all())
        ties = duplicates.read(connection).set_index("image_id")["tie"]
    with views.asked(library, "predictions") as answering:
        rows = answering.execute("SELECT * FROM predictions").df()
    table = last_said(rows, run_ids)[["run_id", *PREDICTION_COLUMNS]].join(images, how="inner")
    rejected = table["unusable_reason"].str.startswith("rejected")
    table = table.assign(rejected=rejected)
    table = table[(table["path"] != "") & (table["usable"] | rejected)]
    pictures = pictures.set_index("image_id").rename(columns={"run_id": "arrived"})
    table = table.join(pictures[["arrived", "width", "height", "bytes"]])
    table["group"] = ties.reindex(table.index).fillna(pd.Series(table.index, table.index))
    last = [_last(log, name) for name in table.index]
    table["by"] = [None if one is None else one["actor"] for one in last]
    table["label_run"] = [None if one is None else one["run_id"] for one in last]
    measures = views.looked(library, "camera", "sharpness", "brightness", "contrast", "quality")
    table = table.join(measures.set_index("image_id"))
    return table.assign(affinity=None).reset_index()[list(CANDIDATE_COLUMNS)]


def _last(log: pd.DataFrame, image_id: str) -> pd.Series | None:
    """The label or rejection that holds, the later one of both."""
    if log.empty:
        return None
    mine = log[(log["image_id"] == image_id) & log["kind"].isin(["label", "reject"])]
    now = mine.sort_values("seq").drop_duplicates("kind", keep="last")
    holding = now[now["value"] != ""].sort_values("seq")
    return None if holding.empty else holding.iloc[-1]


def plain(table: pd.DataFrame) -> list[dict[Hashable, object]]:
    """Rows that can be compared: by image, a missing value is None, a number a number."""
    rows: list[dict[Hashable, object]] = []
    for row in table[list(CANDIDATE_COLUMNS)].sort_values("image_id").to_dict("records"):
        rows.append(
            {
                name: None
                if pd.isna(value)
                else round(float(value), 6)
                if not isinstance(value, str)
                else value
                for name, value in row.items()
            }
        )
    return rows


def answered(library: Library, run_ids: Sequence[int], small: int = -1) -> pd.DataFrame:
    with indexed.asked(library, run_ids, small) as answering, library.reading() as connection:
        counts = facts.class_counts(facts.labelled(connection))
        # Rejected images too: a filter has no word for them.
        every = answering.execute("SELECT * FROM everything").df()
        shown = candidates(answering, EVERYTHING, counts)
        assert set(shown["image_id"]) == set(every.loc[~every["rejected"], "image_id"])
        assert set(labelled(answering)["image_id"]) == set(
            every.loc[every["label"].notna() & ~every["rejected"], "image_id"]
        )
    return every


class World:
    """A library in which anything may happen, written through the functions of the store."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.number = 0
        self.places: dict[str, str] = {}

    def do(self, what: str, chance: random.Random) -> None:
        self.number += 1
        getattr(self, what)(chance)

    def scan(self, chance: random.Random) -> None:
        """New files, copies, files with other content, files that are gone."""
        with runs.running(self.library, "scan", {"n": self.number}) as run:
            seen = chance.sample(NAMES, 4)
            rows = [
                FileRow(
                    f"/p/{chance.choice([name, 'shared'])}{chance.choice('ab')}.jpg".encode(),
                    name,
                    10,
                    self.number,
                    1,
                    "ok",
                )
                for name in seen
            ]
            rows = list({row.path: row for row in rows}.values())
            contents = [
                Content(name, 10 * int(name), 640, 480, "JPEG", chance.choice([None, "2026-01-01"]))
                for name in seen
            ]
            table = pa.Table.from_pylist(
                [{"image_id": name, "sharpness": int(name) / 2, "camera": "c"} for name in seen],
                schema=looks.SCHEMA,
            )
            shard = shards.write(self.library, "looks", run.run_id, 0, table)
            with self.library.writing() as connection:
                files.register(connection, run.run_id, rows, contents)
                shards.reference(connection, shard)
                known = list(files.known(connection, [b"/p"]))
                gone = chance.sample(known, min(2, len(known)))
                files.mark_gone(connection, run.run_id, gone)
            run.summary.update(read=4, gone=len(gone))

    def bulk_id(self, chance: random.Random) -> None:
        rows = [
            said(
                name,
                chance.choice(CLASSES),
                chance.randint(1, 20) / 20,
                chance.choice([None, *CLASSES]),
                0.1,
                path=f"/p/{name}{chance.choice('ab')}.jpg",
                status=chance.choice(["ok", "ok", "failed"]),
                novelty=0.5,
            )
            for name in chance.sample(NAMES, 5)
        ]
        predict(self.library, rows)

    def label(self, chance: random.Random) -> None:
        self.decide("label", chance, ["kudu", "zebra", "unknown", ""])

    def reject(self, chance: random.Random) -> None:
        self.decide("reject", chance, ["blurred", ""])

    def split(self, chance: random.Random) -> None:
        self.decide("split", chance, ["train", "val", ""], "split")

    def origin(self, chance: random.Random) -> None:
        self.decide("origin", chance, ["real", "staged", "synthetic", "synthetic"])

    def parent(self, chance: random.Random) -> None:
        child, first, other = chance.sample(NAMES, 3)
        details: list[dict[str, object]] = [{}, {"recipe": "r"}, {"values": [first, other]}]
        detail = chance.choice(details)
        self.append(
            "label",
            [Decision("group", child, first, f"p{self.number}", "augment", facts.PARENT, detail)],
        )

    def alike(self, chance: random.Random) -> None:
        names = sorted(chance.sample(NAMES, 3))
        table = pd.DataFrame(
            {
                "image_id": names,
                "group": names[0],
                "tie": names[0],
                "keeper": names[0],
                "similarity": 1.0,
                "reason": "",
            }
        )
        with (
            runs.running(self.library, "duplicates", {"n": self.number}) as run,
            self.library.writing() as connection,
        ):
            duplicates.replace(connection, run.run_id, table)

    def decide(
        self, kind: str, chance: random.Random, values: list[str], stage: str = "label"
    ) -> None:
        made = [
            Decision(
                kind,
                name,
                chance.choice(values),
                f"{kind}{name}{self.number}",
                chance.choice(["anna", "ben"]),
                detail={"sub_class": "joey"} if kind == "label" and chance.random() < 0.3 else {},
            )
            for name in chance.sample(NAMES, 3)
        ]
        self.append(stage, made)

    def append(self, stage: str, made: list[Decision]) -> None:
        with (
            runs.running(self.library, stage, {"n": self.number}) as run,
            self.library.writing() as connection,
        ):
            decisions.append(connection, run.run_id, made)

    def run_ids(self) -> list[int]:
        with self.library.reading() as connection:
            query = schema.runs.select().where(schema.runs.c.stage == "bulk-id")
            return [row.run_id for row in connection.execute(query)]


def made(library: Library) -> list[str]:
    """Names of the files that the index has."""
    return sorted(path.name for path in (library.folder / indexed.FOLDER).iterdir())


@pytest.fixture
def world(library: Library) -> World:
    """A library with predictions of twelve images, none of them decided."""
    made, chance = World(library), random.Random(1)
    for what in ("scan", "scan", "scan", "bulk_id", "bulk_id"):
        made.do(what, chance)
    return made


ACTS = ("scan", "bulk_id", "label", "label", "reject", "split", "origin", "parent", "alike")


@pytest.mark.parametrize("seed", range(2))
def test_the_index_says_what_the_library_says_whatever_happened(
    library: Library, seed: int
) -> None:
    chance, world = random.Random(seed), World(library)
    for what in ("scan", "scan", "bulk_id", "scan"):
        world.do(what, chance)
    # Everything happens once, in any order; what is looked at in between is brought on.
    for what in chance.sample(ACTS, len(ACTS)):
        world.do(what, chance)
        if what == "alike" or chance.random() < 0.4:
            expected = plain(direct(library, world.run_ids()))
            with library.reading() as connection:
                images = facts.images(connection)
            for count in ("groups", "images"):
                counts = counted.class_counts(library, count)
                assert_frame_equal(counts, facts.class_counts(images, count), check_dtype=False)
            assert plain(answered(library, world.run_ids())) == expected
            assert plain(answered(library, world.run_ids(), 1000)) == expected


def test_an_index_is_made_once_and_answers_are_laid_over_it(library: Library, world: World) -> None:
    answered(library, world.run_ids())
    first = made(library)
    answered(library, world.run_ids())
    assert made(library) == first
    assert len(first) == 1

    world.do("label", random.Random(2))
    answered(library, world.run_ids())
    laid, index = made(library)
    assert laid.removesuffix(".parquet").startswith(index.removesuffix(".duckdb") + "+")
    assert [index] == first

    # A later batch replaces the file, and knows the earlier one.
    world.do("reject", random.Random(3))
    answered(library, world.run_ids())
    assert len(made(library)) == 2
    assert made(library) != [laid, index]
    assert plain(answered(library, world.run_ids())) == plain(direct(library, world.run_ids()))


def test_many_answers_make_a_new_index(
    library: Library, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlaid, "FEW", 2)
    answered(library, world.run_ids())
    first = made(library)

    world.do("label", random.Random(2))
    answered(library, world.run_ids())

    assert len(made(library)) == 1
    assert made(library) != first
    assert plain(answered(library, world.run_ids())) == plain(direct(library, world.run_ids()))


@pytest.mark.parametrize("what", ["scan", "bulk_id", "alike"])
def test_what_changes_files_predictions_or_look_alikes_makes_a_new_index(
    library: Library, world: World, what: str
) -> None:
    answered(library, world.run_ids())
    first = made(library)

    world.do(what, random.Random(4))
    answered(library, world.run_ids())

    assert not set(first) & set(made(library))
    assert len(made(library)) == 1


def test_a_scan_that_found_nothing_and_a_queue_change_nothing(
    library: Library, world: World
) -> None:
    answered(library, world.run_ids())
    first = made(library)

    with runs.running(library, "scan", {}) as run:
        run.summary.update(read=0, gone=0)
    with runs.running(library, "queue", {}, alone=False):
        pass
    answered(library, world.run_ids())

    assert made(library) == first


def test_a_damaged_index_is_made_anew(library: Library, world: World) -> None:
    expected = plain(answered(library, world.run_ids()))
    (path,) = (library.folder / indexed.FOLDER).iterdir()
    path.write_bytes(b"half of it")

    assert plain(answered(library, world.run_ids())) == expected


def test_a_damaged_overlay_is_made_anew(library: Library, world: World) -> None:
    answered(library, world.run_ids())
    world.do("label", random.Random(2))
    expected = plain(answered(library, world.run_ids()))
    (path,) = (library.folder / indexed.FOLDER).glob("*.parquet")
    path.write_bytes(b"half of it")

    assert plain(answered(library, world.run_ids())) == expected


def test_what_a_killed_process_left_is_taken_away_after_a_while(
    library: Library, world: World
) -> None:
    folder = library.folder / indexed.FOLDER
    for name in (".new-old", ".new-young"):
        (folder / name).mkdir(parents=True)
        (folder / name / "staged").write_bytes(b"half of it")
    for path in (folder / ".new-old" / "staged", folder / ".new-old"):
        os.utime(path, (1, 1))

    answered(library, world.run_ids())

    assert ".new-old" not in made(library)
    assert ".new-young" in made(library)


def test_where_no_index_can_be_written_the_error_says_so(library: Library, world: World) -> None:
    (library.folder / "cache").write_text("a file in the place of the folder")

    with pytest.raises(LibraryError, match="index of the predictions cannot be written"):
        answered(library, world.run_ids())


def test_class_counts_are_brought_on_from_the_last_ones(
    library: Library, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.do("label", random.Random(2))
    counted.class_counts(library, "groups")
    asked: list[Sequence[str] | None] = []
    whole = facts.labelled

    def labelled(connection: Connection, image_ids: Sequence[str] | None = None) -> pd.DataFrame:
        asked.append(image_ids)
        return whole(connection, image_ids)

    monkeypatch.setattr(facts, "labelled", labelled)
    counted.class_counts(library, "images")
    assert asked == []
    world.do("label", random.Random(5))
    counted.class_counts(library, "groups")
    assert len(asked) == 1
    assert asked[0] is not None


def test_only_so_many_models_have_an_index(
    library: Library, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexed, "MODELS", 2)
    others = [predict(library, [said("01", "kudu", 0.5)], f"m{number}") for number in (2, 3)]

    for run_ids in (world.run_ids()[:2], others[:1], others[1:]):
        answered(library, run_ids)

    assert len(made(library)) == 2
