"""Plans, saved queues and corrected expectations of a library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import select

from curate import queues
from curate.core.errors import InputError, PolicyError
from curate.labels import import_table
from curate.queues import Filters
from curate.queues.answering import Answering
from curate.scan import scan
from curate.store import files, offered, runs, schema
from curate.store import queues as kept
from curate.store.library import Library

from ...conftest import MakePhoto
from ..cases import predict, said

POOL = tuple(f"p{number:02}" for number in range(12))
MIN_COUNT = 4
ASKED: dict[str, Any] = {"min_count": MIN_COUNT, "count": "images"}

Ids = dict[str, str]
Answer = Callable[..., None]


@pytest.fixture
def ids(library: Library, photo: MakePhoto, tmp_path: Path) -> Ids:
    """Scan a pool of twelve images and three labelled kudus, and predict them all."""
    for seed, name in enumerate(POOL):
        photo(f"pool/{name}.jpg", seed)
    for seed in (50, 51, 52):
        photo(f"photos/kudu/k{seed}.jpg", seed)
    scan(library, tmp_path / "pool", backend="serial")
    scan(library, tmp_path / "photos", labels="folder", backend="serial")
    with library.reading() as connection:
        table = files.one_path_each(connection)
    found = {Path(path).stem: image_id for path, image_id in table[["path", "image_id"]].to_numpy()}
    rows = [
        said(found[name], "kudu" if number % 2 else "zebra", 0.4 + number / 25)
        for number, name in enumerate(POOL)
    ]
    predict(library, rows)
    return found


@pytest.fixture
def answer(library: Library) -> Answer:
    def say(**labels: str) -> None:
        rows = [("line 2", "", image_id, label, "", "", "") for image_id, label in labels.items()]
        columns = ["place", "file", "image_id", "label", "sub_class", "by", "was"]
        table = pd.DataFrame(rows, columns=columns)
        new = sorted(set(labels.values()) - {"rejected", "unknown"})
        import_table(library, table, "answers", actor="anna", new_classes=new)

    return say


def test_a_plan_is_one_queue_of_several_recipes(library: Library, ids: Ids) -> None:
    table = queues.plan(library, 8, Filters(), **ASKED)

    assert len(table) == 8
    assert table["image_id"].is_unique
    assert {"low-count", "random"} <= set(table["recipe"]) <= set(queues.RECIPES)
    assert set(table["image_id"]) <= {ids[name] for name in POOL}
    split = pd.DataFrame(table.attrs["split"]).set_index("recipe")["looks"]
    assert split[split > 0].to_dict() == table["recipe"].value_counts().to_dict()
    shown = offered.read(library).sort_values("position")
    assert list(shown["image_id"]) == list(table["image_id"])
    assert list(shown["recipe"]) == list(table["recipe"])


def test_recipes_that_lack_something_take_no_part(library: Library, ids: Ids) -> None:
    table = queues.plan(library, 8, Filters(), **ASKED)
    # There are no embeddings and there is no second checkpoint.
    assert not {"new-class", "diverse", "disagree"} & set(table["recipe"])


@pytest.mark.parametrize("budget", [0, -1])
def test_a_plan_has_room_for_an_image(library: Library, ids: Ids, budget: int) -> None:
    with pytest.raises(PolicyError, match="budget"):
        queues.plan(library, budget, Filters(), **ASKED)


def test_a_saved_queue_leaves_out_what_was_decided_since(
    library: Library, ids: Ids, answer: Answer
) -> None:
    table = queues.queue(library, "low-score", Filters(limit=5), **ASKED, save="monday")
    first, second, *_ = table["image_id"]
    answer(**{first: "kudu", second: "rejected"})

    left = queues.saved(library, "monday")

    assert list(left["image_id"]) == list(table["image_id"])[2:]
    assert list(left["reason"]) == list(table["reason"])[2:]
    listed = queues.saved_queues(library).set_index("name").loc["monday"]
    assert (listed["recipe"], listed["images"], listed["left"]) == ("low-score", 5, 3)
    with library.reading() as connection:
        assert set(kept.images_of_any(connection)) == set(table["image_id"])


def test_a_saved_queue_is_asked_anew_with_its_own_question(
    library: Library, ids: Ids, answer: Answer
) -> None:
    filters = Filters(limit=4, class_="zebra", min_score=0.5)
    before = queues.queue(library, "low-score", filters, **ASKED, save="monday")
    answer(**{before["image_id"][0]: "kudu"})

    after = queues.refresh(library, "monday")

    asked_now = queues.queue(library, "low-score", filters, **ASKED)
    assert list(after["image_id"]) == list(asked_now["image_id"])
    assert before["image_id"][0] not in set(after["image_id"])
    assert list(queues.saved(library, "monday")["image_id"]) == list(after["image_id"])


def test_a_saved_plan_is_planned_anew(library: Library, ids: Ids, answer: Answer) -> None:
    before = queues.plan(library, 6, Filters(), **ASKED, save="plan of may")
    answer(**{before["image_id"][0]: "kudu"})
    after = queues.refresh(library, "plan of may")
    assert len(after) == 6
    assert before["image_id"][0] not in set(after["image_id"])
    assert set(queues.saved(library, "plan of may")["recipe"]) == set(after["recipe"])


def test_a_name_that_is_none_is_refused_before_anything_is_asked(
    library: Library, ids: Ids
) -> None:
    with pytest.raises(InputError):
        queues.queue(library, "low-score", Filters(), **ASKED, save="a\nb")
    with library.reading() as connection:
        stages = connection.scalars(select(schema.runs.c.stage)).all()
    assert "queue" not in stages


def test_expectations_follow_the_answers(library: Library, ids: Ids, answer: Answer) -> None:
    before = queues.queue(library, "low-count", Filters(), **ASKED)
    # Nothing that the model takes for a kudu is one.
    answer(**{ids[name]: "zebra" for name in POOL[1:8:2]})

    after = queues.queue(library, "low-count", Filters(), **ASKED)

    same = before.set_index("image_id")["expected"].reindex(after["image_id"]).to_numpy()
    kudu = (after["predicted"] == "kudu").to_numpy()
    assert kudu.sum() == 2
    assert (after["expected"].to_numpy()[kudu] < same[kudu]).all()
    report = queues.yields(library).set_index("recipe").loc["low-count"]
    assert (report["looked"], report["got"]) == (4, 0)


def test_no_answer_helps_to_foresee_itself(
    library: Library, ids: Ids, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(**{ids["p01"]: "unknown", ids["p02"]: "kudu"})
    seen: list[pd.DataFrame] = []
    real = Answering._chances

    def spied(self: Answering, rows: pd.DataFrame) -> pd.DataFrame:
        seen.append(rows[rows["image_id"].isin([ids["p01"], ids["p02"]])])
        return real(self, rows)

    monkeypatch.setattr(Answering, "_chances", spied)
    queues.queue(library, "recent", Filters(), **ASKED)
    told = pd.concat(seen)
    assert set(told["image_id"]) == {ids["p01"], ids["p02"]}
    assert told["label"].isna().all()


def test_a_queue_that_is_followed_was_not_offered(library: Library, ids: Ids) -> None:
    list(queues.follow(library, "low-score", Filters(), **ASKED))
    assert offered.read(library).empty


def test_disagree_compares_two_checkpoints(library: Library, ids: Ids) -> None:
    other = [said(ids[name], "zebra", 0.9) for name in POOL]
    predict(library, other, model="m2")

    table = queues.queue(library, "disagree", Filters(), **ASKED, model="m1", against="m2")

    assert set(table["image_id"]) == {ids[name] for name in POOL[1::2]}
    with pytest.raises(InputError, match="--against"):
        queues.queue(library, "disagree", Filters(), **ASKED, model="m1")


def test_decided_recipes_bring_labelled_images(library: Library, ids: Ids, answer: Answer) -> None:
    answer(**{ids["p01"]: "unknown"})
    table = queues.queue(library, "unknown", Filters(), **ASKED, of="kudu")
    assert list(table["image_id"]) == [ids["p01"]]
    assert ids["p01"] not in set(queues.queue(library, "recent", Filters(), **ASKED)["image_id"])


def test_what_is_kept_of_a_run_asks_the_same_again(library: Library, ids: Ids) -> None:
    import json

    from curate.queues.question import Question

    filters = Filters(class_=("kudu", "zebra"), where="score > 0.5", class_count=(1, None))
    queues.queue(library, "random", filters, **ASKED, seed=3)
    with library.reading() as connection:
        text = connection.scalar(
            select(schema.runs.c.parameters).where(schema.runs.c.stage == "queue")
        )
    question = Question.from_dict(json.loads(str(text)))
    assert question == Question(filters, MIN_COUNT, "images", seed=3)


def test_a_question_of_another_version_is_refused(library: Library, ids: Ids) -> None:
    rows = queues.queue(library, "low-score", Filters(limit=1), **ASKED).assign(recipe="x")
    with runs.running(library, "queue", {}) as run, library.writing() as connection:
        kept.save(connection, run.run_id, "old", {"recipe": "low-score"}, rows)
    with pytest.raises(InputError, match="another version"):
        queues.refresh(library, "old")


def test_the_lowest_scores_say_what_would_be_lost(
    library: Library, ids: Ids, answer: Answer
) -> None:
    # p00 … p11 have scores of 0.40, 0.44, … 0.84.
    answer(**{ids["p00"]: "rejected", ids["p01"]: "kudu", ids["p02"]: "rejected"})

    table = queues.queue(library, "low-score", Filters(), **ASKED)

    losses = pd.DataFrame(table.attrs["losses"]).set_index("threshold")
    assert list(losses.loc[0.5, ["pool_images", "looked"]]) == [0, 0]
    assert losses["pool_images"].max() == 9
    assert "losses" not in queues.queue(library, "recent", Filters(), **ASKED).attrs
