"""Neighbours in a space of embeddings, against the cosine of every pair; and files of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.errors import InputError
from curate.duplicates import embeddings as module
from curate.duplicates.candidates import COLUMNS
from curate.duplicates.embeddings import by_embedding, read_embeddings
from curate.duplicates.views import STARTS, VIEWS

Pairs = set[tuple[str, str]]


def table(vectors: np.ndarray) -> pd.DataFrame:
    ids = [f"i{number:03d}" for number in range(len(vectors))]
    return pd.DataFrame({"image_id": ids, "embedding": [row.tolist() for row in vectors]})


def pairs(starts: pd.DataFrame) -> Pairs:
    assert list(starts.columns) == COLUMNS
    low, high = starts[["first", "second"]].min(axis=1), starts[["first", "second"]].max(axis=1)
    return set(zip(low, high, strict=True))


def every_pair(vectors: np.ndarray, neighbours: int, least: float) -> Pairs:
    """The oracle; only for vectors whose cosines are not nearly equal."""
    found = set()
    for one, vector in enumerate(vectors):
        cosines = [
            (float(vector @ other / (np.linalg.norm(vector) * np.linalg.norm(other))), number)
            for number, other in enumerate(vectors)
            if number != one
        ]
        for cosine, other in sorted(cosines, reverse=True)[:neighbours]:
            if cosine >= least:
                found.add((f"i{min(one, other):03d}", f"i{max(one, other):03d}"))
    return found


@settings(max_examples=25)
@given(
    count=st.integers(1, 40),
    neighbours=st.integers(1, 6),
    least=st.sampled_from([-1.0, 0.0, 0.5, 0.8]),
    block=st.integers(1, 50),
    seed=st.integers(0, 2**32 - 1),
)
def test_neighbours_against_every_pair(
    count: int, neighbours: int, least: float, block: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    # Half as many centres, so that some are near and the others are not.
    vectors = rng.normal(size=(count // 2 + 1, 8))[rng.integers(0, count // 2 + 1, count)]
    vectors += rng.normal(0, 0.3, vectors.shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", block)
        found = by_embedding(table(vectors), neighbours, least)
        shuffled = by_embedding(
            table(vectors * 7).sample(frac=1, random_state=seed % 100), neighbours, least
        )
    assert pairs(found) == every_pair(vectors, neighbours, least)
    # Neither the order nor the length of the vectors counts.
    pd.testing.assert_frame_equal(shuffled, found)


def test_starts_from_every_central_cut_out_of_either() -> None:
    found = by_embedding(table(np.array([[1.0, 0.1], [1.0, 0.0]])))
    middle = np.array([0.5, 0.5, 1])
    central = [
        number
        for number, view in enumerate(STARTS)
        if not view.degrees and (view.matrix @ middle == middle[:2]).all()
    ]
    assert len(central) == 6
    starts = set(found[["first", "second", "view"]].itertuples(index=False, name=None))
    wanted = {("i000", "i001", view) for view in central}
    wanted |= {("i001", "i000", view) for view in central if view}
    assert starts == wanted
    assert (found["distance"] >= len(VIEWS)).all()
    assert (found[["first_part", "second_part"]] == 0).all(axis=None)


def test_equal_vectors_are_neighbours_but_never_of_themselves() -> None:
    found = by_embedding(table(np.ones((4, 3))), neighbours=1)
    assert pairs(found) == {("i000", "i001"), ("i000", "i002"), ("i000", "i003")}


@pytest.mark.parametrize("bad", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0], [-np.inf, np.inf]])
def test_what_is_no_direction_is_nobodys_neighbour(bad: list[float]) -> None:
    vectors = np.array([[1.0, 0.0], bad, [1.0, 0.01], bad])
    assert pairs(by_embedding(table(vectors), least=-1)) == {("i000", "i002")}
    assert len(by_embedding(table(np.array([bad, bad])))) == 0


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_for_a_pair(count: int) -> None:
    assert pairs(by_embedding(table(np.ones((count, 2))))) == set()


def written(path: Path, **columns: pa.Array) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


IDS = pa.array(["a", "b"])


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.float32()), pa.list_(pa.float16()), pa.large_list(pa.float64()),
     pa.list_(pa.float32(), 2), pa.list_(pa.int8())],
    ids=str,
)  # fmt: skip
def test_lists_of_numbers_are_read(tmp_path: Path, kind: pa.DataType) -> None:
    values = np.array([[1, 0], [1, 0]], np.float16 if "half" in str(kind) else np.float32)
    rows = [list(row) if "half" in str(kind) else row.astype(int).tolist() for row in values]
    path = written(tmp_path / "e.parquet", image_id=IDS, embedding=pa.array(rows, kind), more=IDS)
    read = read_embeddings(path)
    assert list(read.columns) == ["image_id", "embedding"]
    assert pairs(by_embedding(read)) == {("a", "b")}


def test_an_empty_file_has_no_neighbours(tmp_path: Path) -> None:
    none = pa.array([], pa.list_(pa.float32()))
    path = written(tmp_path / "e.parquet", image_id=pa.array([], pa.string()), embedding=none)
    assert len(by_embedding(read_embeddings(path))) == 0


FAULTS = {
    "no ids": ({"embedding": pa.array([[1.0], [2.0]])}, "has no column 'image_id'"),
    "no embeddings": ({"image_id": IDS}, "has no column 'embedding'"),
    "numbers": ({"image_id": IDS, "embedding": pa.array([1.0, 2.0])}, "'embedding' holds double"),
    "texts": ({"image_id": IDS, "embedding": IDS}, "'embedding' holds string"),
    "lists of texts": (
        {"image_id": IDS, "embedding": pa.array([["a"], ["b"]])},
        "'embedding' holds list<",
    ),
    "lengths": (
        {"image_id": IDS, "embedding": pa.array([[1.0], [2.0, 3.0]])},
        "its embeddings have 1 to 2 numbers",
    ),
    "missing": (
        {"image_id": IDS, "embedding": pa.array([[1.0], None])},
        "its embeddings have 0 to 1 numbers",
    ),
    "empty": (
        {"image_id": IDS, "embedding": pa.array([[], []], pa.list_(pa.float32()))},
        "its embeddings have 0 to 0 numbers",
    ),
    "twice": (
        {"image_id": pa.array(["a", "a"]), "embedding": pa.array([[1.0], [2.0]])},
        "is there twice in",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_cannot_be_used(tmp_path: Path, fault: str) -> None:
    columns, rule = FAULTS[fault]
    path = written(tmp_path / "e.parquet", **columns)
    with pytest.raises(InputError) as caught:
        read_embeddings(path)
    assert rule in caught.value.rule
    assert str(path) in str(caught.value)
    assert "Give" in caught.value.remedy


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "e.parquet").write_text("not at all")
    for name, rule in (("e.parquet", "is not a Parquet file"), ("gone.parquet", "")):
        with pytest.raises(InputError) as caught:
            read_embeddings(tmp_path / name)
        assert caught.value.value == str(tmp_path / name)
        assert rule in caught.value.rule
        assert caught.value.remedy == "Give a Parquet file of embeddings."
