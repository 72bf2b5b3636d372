"""A library's duplicates: compared once, grouped by what is there now, parted by decision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from curate import splits
from curate.core.errors import InputError
from curate.core.hashes import HASHES
from curate.core.identity import file_id
from curate.duplicates import DuplicatePolicy, find, leaks, part, search
from curate.duplicates.verb import known_images
from curate.splits import SplitPolicy
from curate.store import views
from curate.store.library import Library, opened
from tests.conftest import MakePhoto
from tests.pictures import encoded, picture
from tests.scan.seen import scanned
from tests.splits.made import put
from tests.store.made import decide, said

from .libraries import by_name, found, groups, tell, ties

pytestmark = pytest.mark.usefixtures("one_process")

LARGE = (192, 128)


@pytest.fixture
def photos(photo: MakePhoto, tmp_path: Path) -> Path:
    """Two photos with a smaller copy each, and one alone; the copies come in the second half."""
    for seed, name in enumerate(("cat", "dog", "fox")):
        photo(f"photos/1/{name}.jpg", seed, LARGE)
    photo("photos/2/cat-small.jpg", 0, quality=60)
    photo("photos/2/dog-small.jpg", 1, quality=60)
    photo("photos/2/hen.jpg", 9)
    return tmp_path / "photos"


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the candidates of every comparison."""
    counts: list[int] = []
    measured = search.measured

    def counting(starts: pd.DataFrame, *arguments: Any) -> pd.DataFrame:
        counts.append(len(starts))
        return measured(starts, *arguments)

    monkeypatch.setattr("curate.duplicates.remembered.measured", counting)
    return counts


def test_as_they_arrive_is_as_all_at_once(
    library: Library, photos: Path, tmp_path: Path, compared: list[int]
) -> None:
    scanned(library, photos)
    at_once = found(library)
    assert at_once.compared == 6
    assert groups(at_once.table) == [
        ["cat.jpg", "cat-small.jpg"], ["dog.jpg", "dog-small.jpg"],
    ]  # fmt: skip
    whole = sum(compared)
    compared.clear()
    with opened(tmp_path / "other", make=True) as other:
        scanned(other, photos / "2")
        assert found(other).table.empty
        scanned(other, photos / "1")
        later = found(other)
    assert later.compared == 3
    pd.testing.assert_frame_equal(later.table, at_once.table)
    assert sum(compared) == whole


def test_nothing_is_compared_twice(library: Library, photos: Path, compared: list[int]) -> None:
    scanned(library, photos)
    first = found(library)
    compared.clear()
    second = found(library)
    assert (second.compared, compared) == (0, [])
    pd.testing.assert_frame_equal(second.table, first.table)


def test_another_similarity_asks_what_is_remembered(
    library: Library, photos: Path, compared: list[int]
) -> None:
    scanned(library, photos)
    found(library)
    compared.clear()
    assert found(library, similarity=1.0).table.empty
    assert len(found(library, similarity=0.6).table) == 4
    assert compared == []


def test_flips_are_compared_anew_and_both_are_remembered(library: Library, photos: Path) -> None:
    (photos / "mirror.png").write_bytes(encoded(picture(2, LARGE)[:, ::-1], "PNG"))
    scanned(library, photos)
    assert len(groups(found(library).table)) == 2
    flipped = found(library, flips=True)
    assert flipped.compared == 7
    assert ["mirror.png", "fox.jpg"] in groups(flipped.table)
    assert "mirrored" in str(by_name(flipped.table).at["fox.jpg", "reason"])
    assert found(library).compared == found(library, flips=True).compared == 0


def test_what_is_gone_leaves_and_what_comes_back_is_known(
    library: Library, photos: Path, tmp_path: Path
) -> None:
    scanned(library, photos)
    before = found(library).table
    aside = (photos / "1" / "cat.jpg").rename(tmp_path / "aside.jpg")
    scanned(library, photos)
    assert groups(found(library).table) == [["dog.jpg", "dog-small.jpg"]]
    aside.rename(photos / "1" / "cat.jpg")
    scanned(library, photos)
    after = found(library)
    assert after.compared == 0
    pd.testing.assert_frame_equal(after.table, before)


def test_an_empty_library_has_no_duplicates(library: Library) -> None:
    nothing = found(library)
    assert (len(nothing.table), len(nothing.conflicts), nothing.compared) == (0, 0, 0)


def test_one_image_is_nobodys_duplicate(library: Library, photo: MakePhoto) -> None:
    scanned(library, photo("p/a.jpg").parent)
    assert found(library).table.empty


def test_blank_and_broken_files_are_nobodys_duplicates(
    library: Library, photo: MakePhoto, tmp_path: Path
) -> None:
    for name, size in (("a", (96, 64)), ("b", LARGE), ("c", (64, 64))):
        photo(f"p/white-{name}.jpg", size=size, colour=(255, 255, 255))
        (tmp_path / f"p/broken-{name}.jpg").write_bytes(b"no image " + name.encode())
    scanned(library, tmp_path / "p")
    first = found(library)
    assert (len(first.table), first.compared) == (0, 3)
    assert found(library).compared == 0


def test_exact_copies_are_rows_too(library: Library, photos: Path) -> None:
    (photos / "1" / "fox-again.jpg").write_bytes((photos / "1" / "fox.jpg").read_bytes())
    (photos / "1" / "dog-again.jpg").write_bytes((photos / "1" / "dog.jpg").read_bytes())
    scanned(library, photos)
    table = by_name(found(library).table)
    assert groups(table) == [
        ["cat.jpg", "cat-small.jpg"],
        ["dog-again.jpg", "dog-small.jpg", "dog.jpg"],
        ["fox-again.jpg", "fox.jpg"],
    ]
    assert table.at["fox.jpg", "reason"] == "exact copy: the same bytes"
    assert table.at["fox-again.jpg", "reason"] == "kept: the first of its copies by path"
    assert table.at["dog.jpg", "similarity"] == 1.0
    assert list(table["keeper"]) == [True, False, False, True, False, True, False]


def test_a_person_parts_two_images_for_ever(
    library: Library, photos: Path, photo: MakePhoto
) -> None:
    scanned(library, photos)
    cat, small = (file_id(photos / name) for name in ("1/cat.jpg", "2/cat-small.jpg"))
    found(library)
    assert ties(library)[cat] == ties(library)[small]
    assert part(library, cat, small, apart=True)
    assert not part(library, small, cat, apart=True)
    with library.reading() as connection:
        times = connection.exec_driver_sql("SELECT count(*) FROM decisions").scalar()
    assert times == 1
    assert groups(found(library).table) == [["dog.jpg", "dog-small.jpg"]]
    assert ties(library)[[cat, small]].isna().all()
    photo("photos/3/hen-large.jpg", 9, LARGE)
    scanned(library, photos)
    assert groups(found(library).table) == [
        ["dog.jpg", "dog-small.jpg"], ["hen-large.jpg", "hen.jpg"],
    ]  # fmt: skip
    assert part(library, cat, small, apart=False)
    assert not part(library, cat, small, apart=False)
    assert ["cat.jpg", "cat-small.jpg"] in groups(found(library).table)


def test_parted_images_share_no_group_through_a_third(
    library: Library, photos: Path, photo: MakePhoto
) -> None:
    photo("photos/3/cat-middle.jpg", 0, (144, 96))
    scanned(library, photos)
    pair = [file_id(photos / name) for name in ("1/cat.jpg", "2/cat-small.jpg")]
    part(library, pair[0], pair[1], apart=True)
    table = by_name(found(library).table)
    both = table.loc[[name for name in ("cat.jpg", "cat-small.jpg") if name in table.index]]
    assert both["group"].is_unique
    # Splits keep all three together: the third is alike to both.
    assert ties(library).dropna().nunique() == 2
    assert len(ties(library).dropna()) == 5
    tell(library, photos / "3/cat-middle.jpg", reject="blurred")
    found(library)
    assert ties(library)[pair[0]] != ties(library)[pair[1]]
    assert "cat-middle.jpg" in table.index


def test_one_image_cannot_be_parted_from_itself(library: Library) -> None:
    with pytest.raises(InputError, match="one image"):
        part(library, "a", "a", apart=True)


@pytest.mark.parametrize(
    ("small", "large", "kept", "reason"),
    [
        ({"label": "cat"}, {}, "cat-small.jpg", "kept: it has a label"),
        ({"label": "cat"}, {"label": "cat"}, "cat.jpg", "kept: most pixels"),
        ({}, {"origin": "staged"}, "cat-small.jpg", "kept: it is real"),
        ({"origin": "staged", "label": "cat"}, {}, "cat-small.jpg", "kept: it has a label"),
        ({"split": "benchmark"}, {"split": "train"}, "cat-small.jpg", "it is in the benchmark"),
        (
            {"split": "benchmark", "origin": "synthetic"},
            {},
            "cat.jpg",
            "kept: it is real",
        ),
        ({"split": "val"}, {}, "cat-small.jpg", "kept: it has a place in the split"),
        ({}, {"reject": "blurred", "label": "cat"}, "cat-small.jpg", "kept: nobody rejected it"),
    ],
)
def test_decisions_choose_the_keeper(
    library: Library,
    photos: Path,
    small: dict[str, str],
    large: dict[str, str],
    kept: str,
    reason: str,
) -> None:
    ids = put(library, photos / "1/cat.jpg", photos / "2/cat-small.jpg")
    for image_id, (width, height) in zip(ids, (LARGE, (96, 64)), strict=True):
        with library.writing() as connection:
            connection.exec_driver_sql(
                "UPDATE images SET width = ?, height = ? WHERE image_id = ?",
                (width, height, image_id),
            )
    tell(library, photos / "2/cat-small.jpg", **small)
    tell(library, photos / "1/cat.jpg", **large)
    table = by_name(found(library).table)
    assert list(table.index[table["keeper"]]) == [kept]
    assert reason in str(table.at[kept, "reason"])


def test_labels_that_differ_are_a_report(library: Library, photos: Path) -> None:
    scanned(library, photos)
    tell(library, photos / "1/cat.jpg", label="cat")
    tell(library, photos / "2/cat-small.jpg", label="dog")
    tell(library, photos / "1/dog.jpg", label="dog")
    result = found(library)
    assert len(result.table) == 4
    (row,) = result.conflicts.to_dict("records")
    assert row["group"] == by_name(result.table).at["cat.jpg", "group"]
    assert (row["labels"], row["images"]) == ("cat 1, dog 1", 2)


def test_splits_keep_together_what_is_alike(
    library: Library, photo: MakePhoto, tmp_path: Path
) -> None:
    for seed in range(12):
        photo(f"photos/cat/{seed}.jpg", seed, LARGE)
        photo(f"photos/cat/{seed}-small.jpg", seed)
    scanned(library, tmp_path / "photos", labels="folder")
    found(library)
    policy = SplitPolicy(min_count=4, val=0.25, test=0.25, benchmark=0.2)
    splits.split(library, policy)
    image_id, split = _places(library)
    pairs = [
        {split[image_id[f"{seed}.jpg"]], split[image_id[f"{seed}-small.jpg"]]} for seed in range(12)
    ]
    assert all(len(pair) == 1 for pair in pairs)
    assert {"train", "val", "test", "benchmark"} <= set().union(*pairs)
    (frozen, *_) = [n for n, pair in enumerate(pairs) if pair == {"benchmark"}]
    photo(f"photos/cat/{frozen}-later.jpg", frozen, (144, 96))
    scanned(library, tmp_path / "photos", labels="folder")
    found(library)
    splits.split(library, policy)
    image_id, split = _places(library)
    assert split[image_id[f"{frozen}-later.jpg"]] == ""
    assert leaks(library, DuplicatePolicy()).empty


def _places(library: Library) -> tuple[dict[str, str], dict[str, str]]:
    with views.asked(library, "images") as answering:
        rows = answering.execute("SELECT path, image_id, split FROM images").fetchall()
    names = {Path(path).name: image_id for path, image_id, _ in rows}
    return names, {image_id: split for _, image_id, split in rows}


def test_leaks_of_an_old_split_are_found(library: Library, photos: Path) -> None:
    scanned(library, photos)
    found(library)
    for name, split in (("1/cat", "train"), ("2/cat-small", "test"), ("1/dog", "val")):
        tell(library, photos / f"{name}.jpg", split=split)
    (row,) = leaks(library, DuplicatePolicy()).to_dict("records")
    assert (row["first_side"], row["second_side"]) == ("train", "test")
    assert row["first_path"].endswith("/1/cat.jpg")
    assert row["second_path"].endswith("/2/cat-small.jpg")
    assert row["first"] == file_id(photos / "1/cat.jpg")
    part(library, row["first"], row["second"], apart=True)
    assert leaks(library, DuplicatePolicy()).empty


def test_without_a_split_nobody_hears_that_nothing_leaks(library: Library, photos: Path) -> None:
    scanned(library, photos)
    found(library)
    with pytest.raises(InputError, match=r"there is no split yet\. Run `curate split`"):
        leaks(library, DuplicatePolicy())


def test_embeddings_find_a_deep_crop(library: Library, photo: MakePhoto, tmp_path: Path) -> None:
    whole = picture(3, (320, 240))
    photo("p/other.jpg", 4)
    (tmp_path / "p/whole.png").write_bytes(encoded(whole, "PNG"))
    (tmp_path / "p/crop.png").write_bytes(encoded(whole[48:192, 64:256], "PNG"))
    scanned(library, tmp_path / "p")
    assert found(library).table.empty
    ids = [file_id(tmp_path / "p" / name) for name in ("whole.png", "crop.png", "other.jpg")]
    vectors = [np.array([1.0, 0.1]), np.array([1.0, 0.0]), np.array([0.0, 1.0])]
    embeddings = pd.DataFrame({"image_id": [*ids, "f" * 32], "embedding": [*vectors, vectors[0]]})
    assert groups(find(library, DuplicatePolicy(), embeddings).table) == [["whole.png", "crop.png"]]
    # What they found is remembered without them.
    assert groups(found(library).table) == [["whole.png", "crop.png"]]


def test_hashes_keep_their_bits_beside_images_without_a_look(
    library: Library, photos: Path
) -> None:
    """A missing value in a column of uint64 makes pandas turn all of it into floats of 53 bits."""
    scanned(library, photos / "1")
    exact = known_images(library).set_index("image_id")
    put(library, photos / "2" / "hen.jpg")
    mixed = known_images(library).set_index("image_id")
    for name in HASHES:
        assert mixed[name].isna().sum() == 1
        assert list(mixed.loc[exact.index, name]) == list(exact[name])
    with views.asked(library, "looks") as answering:
        true = dict(answering.execute("SELECT image_id, phash FROM looks").fetchall())
    assert dict(mixed["phash"].dropna().astype(object)) == true


def test_images_that_no_scan_looked_at_are_compared(library: Library, photos: Path) -> None:
    scanned(library, photos / "1")
    put(library, photos / "2" / "cat-small.jpg")
    assert groups(found(library).table) == [["cat.jpg", "cat-small.jpg"]]


def test_a_rejected_image_is_still_compared(library: Library, photos: Path) -> None:
    scanned(library, photos)
    decide(library, said("reject", file_id(photos / "2/cat-small.jpg"), "blurred"))
    assert ["cat.jpg", "cat-small.jpg"] in groups(found(library).table)
