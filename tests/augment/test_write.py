"""Synthetic images for a thin class: chosen fairly, made again the same, registered, topped up."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from curate.augment.parents import parents, shared_out, wanted
from curate.augment.variants import variants
from curate.augment.write import MANIFEST, Written, write
from curate.core.errors import InputError, PolicyError
from curate.core.identity import file_id
from curate.labels import export_labels
from curate.scan import scan
from curate.store import decisions, facts
from curate.store.library import Library
from tests.conftest import MakePhoto
from tests.pictures import picture
from tests.store.made import decide, said

RECIPE = "rotate(limit=10)"


def table(*rows: tuple[str, str, str, str], **columns: Any) -> pd.DataFrame:
    """Images as (image_id, origin, split, ever), all usable cats."""
    images = pd.DataFrame(rows, columns=["image_id", "origin", "split", "ever"])
    return images.assign(label="cat", usable=True, **columns)


def test_what_is_wanted_counts_every_usable_image_of_the_class() -> None:
    images = table(("a", "real", "", ""), ("b", "synthetic", "", ""), ("c", "real", "val", "val"))
    dog = table(("d", "real", "", "")).assign(label="dog")
    rejected = table(("e", "real", "", "")).assign(usable=False)
    images = pd.concat([images, dog, rejected], ignore_index=True)
    assert wanted(images, "cat", 10) == 7
    assert wanted(images, "cat", 3) == wanted(images, "cat", 1) == 0
    with pytest.raises(PolicyError, match="Did you mean 'cat'"):
        wanted(images, "cart", 10)


def test_parents_train_and_are_real() -> None:
    images = table(
        ("train", "real", "train", "train"),
        ("staged", "staged", "train", "train"),
        ("made", "synthetic", "train", "train"),
        ("val", "real", "val", "val"),
        ("benchmark", "real", "benchmark", "benchmark"),
        ("new", "real", "", ""),
        ("was in test", "real", "", "test"),
        ("was in train", "real", "", "train"),
    )
    assert parents(images, "cat", 0) == ["train"]
    # A class that trains nowhere: what never had a place.
    assert parents(images[images["image_id"] != "train"], "cat", 0) == ["new"]
    with pytest.raises(PolicyError, match="would leak"):
        parents(images[images["ever"] == "val"], "cat", 0)


def test_no_parent_hangs_together_with_what_tests() -> None:
    images = table(
        ("a", "real", "", ""),
        ("b", "real", "", ""),
        ("c", "real", "", "val"),
        ("d", "real", "", ""),
        group_burst=["1", "1", None, None],
        group_duplicates=[None, "2", "2", None],
    )
    assert parents(images, "cat", 0) == ["d"]


def test_the_order_is_by_chance_and_by_nothing_else() -> None:
    images = table(*((f"{n:02d}", "real", "", "") for n in range(30)))
    order = parents(images, "cat", 1)
    assert sorted(order) == list(images["image_id"]) != order
    assert parents(images.sample(frac=1, random_state=1), "cat", 1) == order
    assert parents(images, "cat", 2) != order


def test_shares_are_even() -> None:
    assert shared_out({"a": 0, "b": 0, "c": 0}, 7) == {"a": 3, "b": 2, "c": 2}
    more = shared_out({"a": 4, "b": 0, "c": 1}, 4)
    assert more.get("a", 0) == 0
    assert sum(more.values()) == 4
    assert abs(more["b"] - (1 + more["c"])) <= 1
    assert shared_out({}, 5) == {}


def test_variants_are_a_function_of_parent_recipe_seed_and_number() -> None:
    def first(parent: str, recipe: str, seed: int, taken: set[int] | None = None) -> bytes:
        return next(variants(parent, picture(1), recipe, seed, taken or set())).data

    same = first("p", RECIPE, 0)
    assert first("p", RECIPE, 0) == same
    others = [first("q", RECIPE, 0), first("p", "rotate(limit=11)", 0), first("p", RECIPE, 1)]
    second = first("p", RECIPE, 0, {0})
    assert len({same, second, *others}) == 5
    comment = Image.open(io.BytesIO(same)).info["comment"]
    assert comment == b"made by curate from image p, recipe 'rotate(limit=10)', seed 0, 0"


def test_no_variant_looks_like_another() -> None:
    only = list(variants("p", picture(1), "flip(p=0.5)", 0))
    assert len(only) == 1
    assert list(variants("p", picture(1), "flip(p=0.5)", 1, known={only[0].pixels})) == []
    assert list(variants("p", picture(1), "", 0)) == []
    assert len(list(variants("p", picture(1), "rot90(p=1)", 0))) == 1
    assert len(list(variants("p", picture(1, (64, 64)), "rot90(p=1)", 0))) == 3


@pytest.fixture
def cats(library: Library, photo: MakePhoto, tmp_path: Path) -> Library:
    """Four cats, two of which are kittens, and a dog."""
    for number in range(4):
        photo(f"photos/cat/{'kitten/' * (number % 2)}{number}.jpg", number)
    photo("photos/dog/9.jpg", 9)
    scan(library, tmp_path / "photos", labels="folder")
    return library


def made(library: Library, to: int, folder: Path, recipe: str = RECIPE, seed: int = 0) -> Written:
    """Write, and scan as the command does."""
    written = write(library, "cat", to, folder, recipe=recipe, seed=seed)
    if written.manifest.exists():
        scan(library, folder, labels=str(written.manifest))
    return written


def images_of(library: Library) -> pd.DataFrame:
    with library.reading() as connection:
        return facts.images(connection).set_index("image_id")


def test_what_is_written_is_registered(cats: Library, tmp_path: Path) -> None:
    written = made(cats, 10, tmp_path / "made")
    assert (written.lacking, written.parents, written.unsplit) == (6, 4, True)
    assert sorted(written.table["parent"].value_counts()) == [1, 1, 2, 2]
    images = images_of(cats)
    assert (images["usable"] & (images["label"] == "cat")).sum() == 10
    for row in written.table.to_dict("records"):
        child, parent = images.loc[row["image_id"]], images.loc[row["parent"]]
        assert file_id(Path(row["path"])) == row["image_id"]
        assert child["origin"] == "synthetic"
        assert child["label"] == "cat"
        assert child["sub_class"] == parent["sub_class"]
        assert child["group_parent"] == parent["group_parent"] == row["parent"]
    assert images["group_parent"].isna().sum() == 1, "the dog"


def test_the_same_command_tops_up_and_repeats_nothing(cats: Library, tmp_path: Path) -> None:
    first = made(cats, 8, tmp_path / "made")
    assert made(cats, 8, tmp_path / "made").table.empty
    more = made(cats, 13, tmp_path / "made")
    assert (len(first.table), len(more.table)) == (4, 5)
    ids = [*first.table["image_id"], *more.table["image_id"]]
    assert len(set(ids)) == 9
    both = pd.concat([first.table, more.table])
    assert sorted(both["parent"].value_counts()) == [2, 2, 2, 3]
    with (tmp_path / "made" / MANIFEST).open() as file:
        assert len(file.readlines()) == 1 + 9
    # Thrown away by a person, it is replaced by another, not by itself.
    decide(cats, said("reject", ids[0], "ugly"))
    again = made(cats, 13, tmp_path / "made")
    assert len(again.table) == 1
    assert again.table["image_id"].iloc[0] not in ids


def test_the_same_library_gives_the_same_bytes(
    cats: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = write(cats, "cat", 10, tmp_path / "one", recipe=RECIPE)
    # Nothing was scanned, as if the command had been stopped: it makes the very same again.
    other = write(cats, "cat", 10, tmp_path / "other", recipe=RECIPE)
    for here, there in zip(one.table["path"], other.table["path"], strict=True):
        assert Path(here).name == Path(there).name
        assert Path(here).read_bytes() == Path(there).read_bytes()
    third = write(cats, "cat", 10, tmp_path / "third", recipe=RECIPE, seed=1)
    assert not set(third.table["image_id"]) & set(one.table["image_id"])


def test_a_file_is_known_as_synthetic_before_anybody_scans_it(
    cats: Library, tmp_path: Path
) -> None:
    written = write(cats, "cat", 6, tmp_path / "photos" / "cat", recipe=RECIPE)
    scan(cats, tmp_path / "photos", labels="folder")
    images = images_of(cats).loc[written.table["image_id"]]
    assert set(images["origin"]) == {"synthetic"}
    assert list(images["group_parent"]) == list(written.table["parent"])


def test_a_recipe_that_makes_nothing_new_makes_less(cats: Library, tmp_path: Path) -> None:
    written = made(cats, 20, tmp_path / "made", recipe="flip(p=1)")
    assert (len(written.table), written.lacking) == (4, 16)
    assert made(cats, 20, tmp_path / "made", recipe="flip(p=1)", seed=1).table.empty


def test_a_parent_that_cannot_be_opened_is_a_row(cats: Library, tmp_path: Path) -> None:
    (tmp_path / "photos/cat/0.jpg").unlink()
    (tmp_path / "photos/cat/2.jpg").write_bytes((tmp_path / "photos/dog/9.jpg").read_bytes())
    written = made(cats, 10, tmp_path / "made")
    assert len(written.table) == 6
    assert sorted(Path(path).name for path in written.failures["path"]) == ["0.jpg", "2.jpg"]
    assert any("no such file" in reason for reason in written.failures["reason"])
    assert any("changed since" in reason for reason in written.failures["reason"])


def test_large_photos_are_written_smaller(
    library: Library, photo: MakePhoto, tmp_path: Path
) -> None:
    photo("photos/cat/1.jpg", 1, size=(3000, 1500))
    scan(library, tmp_path / "photos", labels="folder")
    (path,) = made(library, 2, tmp_path / "made").table["path"]
    with Image.open(path) as image:
        assert image.size == (1024, 512)


def test_what_cannot_be_is_refused_and_nothing_is_written(cats: Library, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for label, recipe, folder, error in (
        ("cat", "spin(p=1)", "made", InputError),
        ("cow", RECIPE, "made", PolicyError),
        ("cat", RECIPE, "file", InputError),
    ):
        with pytest.raises(error):
            write(cats, label, 20, tmp_path / folder, recipe=recipe)
        assert not (tmp_path / "made").exists()


def test_the_tie_comes_into_another_library_with_the_labels(cats: Library, tmp_path: Path) -> None:
    made(cats, 6, tmp_path / "photos" / "made")
    exported = export_labels(cats).assign(path=lambda t: t["path"].str.replace(f"{tmp_path}/", ""))
    tied = exported[exported["group_parent"] != ""]
    assert (tied["origin"] == "synthetic").sum() == 2
    assert len(tied) == 4, "children and parents"


def test_anybody_can_say_of_what_an_image_was_made(library: Library) -> None:
    decide(library, *(said("label", name, "cat") for name in "abcd"))
    decide(library, said("group", "b", "a", field="parent"))
    decide(library, said("group", "c", "elsewhere", field="parent"))
    decide(library, said("group", "a", "litter 3", field="parent"))
    decide(library, said("group", "d", "litter 3", field="parent"))
    images = images_of(library)
    columns = images[[name for name in images if str(name).startswith("group_parent")]]

    def tied(one: str, other: str) -> bool:
        return bool((columns.loc[one] == columns.loc[other]).any())

    assert tied("a", "b")
    assert tied("a", "d")
    assert not tied("b", "d")
    assert not tied("a", "c")


def test_the_log_says_how_each_was_made(cats: Library, tmp_path: Path) -> None:
    written = made(cats, 5, tmp_path / "made", seed=7)
    with cats.reading() as connection:
        groups = decisions.current(connection, "group")
    (detail,) = groups["detail"]
    assert (detail["recipe"], detail["seed"], detail["variant"]) == (RECIPE, 7, 0)
    assert list(groups["image_id"]) == list(written.table["image_id"])
