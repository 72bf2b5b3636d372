"""Answers come back from a file, once, all of them or none; labels go out and come back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from curate.core.errors import FaultsError, InputError
from curate.formats.tables import write_csv, write_parquet
from curate.labels import ANSWERED, Imported, export_labels, import_answers
from curate.scan import scan
from curate.store import decisions, facts, files, runs, schema
from curate.store.library import Library, opened

from ..conftest import MakePhoto

NAMES = ("a", "b", "c", "d")
Answer = Callable[..., Imported]


@pytest.fixture
def ids(library: Library, photo: MakePhoto, tmp_path: Path) -> dict[str, str]:
    """Scan four images of a pool and two labelled ones (a gazelle, a young kangaroo)."""
    for seed, name in enumerate(NAMES):
        photo(f"pool/{name}.jpg", seed)
    photo("photos/gazelle/g.jpg", 8)
    photo("photos/kangaroo/joey/k.jpg", 9)
    scan(library, tmp_path / "pool", backend="serial")
    scan(library, tmp_path / "photos", labels="folder", backend="serial")
    with library.reading() as connection:
        table = files.one_path_each(connection)
    return {Path(path).stem: image_id for path, image_id in table[["path", "image_id"]].to_numpy()}


@pytest.fixture
def answer(library: Library, ids: dict[str, str], tmp_path: Path) -> Answer:
    """Import a file of answers, given as name="label" or name="label/sub-class"."""

    def give(new: tuple[str, ...] = (), file: str = "queue.csv", **said: str) -> Imported:
        rows = [(ids[name], *f"{text}/".split("/")[:2]) for name, text in said.items()]
        table = pd.DataFrame(rows, columns=["image_id", "label", "sub_class"])
        write_csv(table.assign(reason="=1+1"), tmp_path / file)
        return import_answers(library, tmp_path / file, actor="anna", new_classes=new)

    return give


def kept(library: Library, image_id: str) -> tuple[str | None, str | None, bool]:
    """Give the label and sub-class of an image as the library keeps them, and if it is usable."""
    with library.reading() as connection:
        table = facts.images(connection)
    row = table[table["image_id"] == image_id].to_dict("records")[0]
    return row["label"], row["sub_class"], row["usable"]


def decided(library: Library) -> int:
    with library.reading() as connection:
        return int(connection.scalar(select(func.count()).select_from(schema.decisions)) or 0)


def faults_of(library: Library, path: Path, text: str) -> list[str]:
    """Import a CSV that must be refused; give its faults."""
    path.write_text(text)
    before = decided(library)
    with pytest.raises(FaultsError) as caught:
        import_answers(library, path, actor="anna")
    assert decided(library) == before
    return caught.value.faults


def test_each_kind_of_answer_becomes_its_decision(
    library: Library, ids: dict[str, str], answer: Answer
) -> None:
    imported = answer(a="gazelle", b="unknown", c="rejected", d="")

    assert imported.counts == {
        "labelled": 1,
        "unknown": 1,
        "rejected": 1,
        "changed": 0,
        "unchanged": 0,
        "unanswered": 1,
        "new_classes": 0,
    }
    assert kept(library, ids["a"]) == ("gazelle", None, True)
    assert kept(library, ids["b"]) == ("unknown", None, True)
    assert kept(library, ids["c"]) == (None, None, False)
    assert kept(library, ids["d"]) == (None, None, True)
    with library.reading() as connection:
        (rejection,) = decisions.current(connection, "reject").to_dict("records")
    assert (rejection["actor"], rejection["value"]) == ("anna", "by anna")


def test_the_table_says_what_became_of_each_answer(ids: dict[str, str], answer: Answer) -> None:
    table = answer(g="kangaroo/adult", a="unknown", b="", k="kangaroo").table

    assert tuple(table.columns) == ANSWERED
    assert list(table["image_id"]) == [ids["g"], ids["a"], ids["k"]]
    assert list(table["was"]) == ["gazelle", "", "kangaroo"]
    assert list(table["status"]) == ["labelled", "unknown", "unchanged"]
    assert list(table["sub_class"]) == ["adult", "", ""]


def test_the_same_file_twice_adds_nothing(library: Library, answer: Answer) -> None:
    said = {"a": "gazelle", "b": "unknown", "c": "rejected", "d": "kangaroo/joey"}
    answer(**said)
    before = decided(library)

    again = answer(**said).counts

    assert decided(library) == before
    assert again["unchanged"] == 4
    assert again["labelled"] == again["unknown"] == again["rejected"] == again["changed"] == 0


@pytest.mark.parametrize("third", ["third.csv", "first.csv"])
def test_a_mind_can_be_changed_and_changed_back(
    library: Library, ids: dict[str, str], answer: Answer, third: str
) -> None:
    answer(a="gazelle", file="first.csv")
    assert answer(a="kangaroo", file="second.csv").counts["changed"] == 1
    # Also where the file that changes it back is, byte by byte, the first one.
    assert answer(a="gazelle", file=third).counts["changed"] == 1

    assert kept(library, ids["a"])[0] == "gazelle"
    with library.reading() as connection:
        said = connection.scalars(
            select(schema.decisions.c.value)
            .where(schema.decisions.c.image_id == ids["a"])
            .order_by(schema.decisions.c.seq)
        ).all()
    assert said == ["gazelle", "kangaroo", "gazelle"]


def test_a_rejection_keeps_the_label_and_a_label_takes_it_back(
    library: Library, ids: dict[str, str], answer: Answer
) -> None:
    answer(g="rejected")
    assert kept(library, ids["g"]) == ("gazelle", None, False)

    counts = answer(g="gazelle").counts
    assert kept(library, ids["g"]) == ("gazelle", None, True)
    assert (counts["labelled"], counts["changed"]) == (1, 1)

    answer(g="rejected")
    assert kept(library, ids["g"]) == ("gazelle", None, False)
    answer(g="unknown")
    assert kept(library, ids["g"]) == ("unknown", None, True)


def test_an_answer_without_sub_class_keeps_the_known_one_of_its_class(
    library: Library, ids: dict[str, str], answer: Answer
) -> None:
    assert answer(k="kangaroo").counts["unchanged"] == 1
    assert kept(library, ids["k"])[:2] == ("kangaroo", "joey")

    answer(k="kangaroo/adult")
    assert kept(library, ids["k"])[:2] == ("kangaroo", "adult")

    answer(k="gazelle")
    assert kept(library, ids["k"])[:2] == ("gazelle", None)


def test_where_the_subject_stands_survives_a_new_label(
    library: Library, photo: MakePhoto, tmp_path: Path, ids: dict[str, str], answer: Answer
) -> None:
    (tmp_path / "boxes.csv").write_text("path,label,bbox\na.jpg,kangaroo,1 2 3 4\n")
    scan(library, tmp_path / "pool", labels=str(tmp_path / "boxes.csv"), backend="serial")
    answer(a="gazelle")

    with library.reading() as connection:
        labels = decisions.current(connection, "label").set_index("image_id")
    assert labels.loc[ids["a"], "value"] == "gazelle"
    assert labels.loc[ids["a"], "detail"] == {"bbox": "1 2 3 4"}


def test_images_are_found_by_path_where_there_is_no_id(
    library: Library, ids: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "answers.csv"
    path.write_text(f"path,label\n{tmp_path.resolve()}/pool/a.jpg,gazelle\npool/b.jpg,kangaroo\n")

    import_answers(library, path, actor="anna")

    assert kept(library, ids["a"])[0] == "gazelle"
    assert kept(library, ids["b"])[0] == "kangaroo"


def test_an_empty_id_falls_back_to_the_path(
    library: Library, ids: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "answers.csv"
    path.write_text(f"image_id,path,label\n,pool/a.jpg,gazelle\n{ids['b']},nowhere,gazelle\n")

    assert import_answers(library, path, actor="anna").counts["labelled"] == 2


def test_two_files_of_one_image_may_agree_and_must_not_differ(
    library: Library, photo: MakePhoto, ids: dict[str, str], tmp_path: Path
) -> None:
    photo("pool/copy.jpg", 0)
    scan(library, tmp_path / "pool", backend="serial")
    path = tmp_path / "answers.csv"

    faults = faults_of(library, path, "path,label\npool/a.jpg,gazelle\npool/copy.jpg,kangaroo\n")
    assert faults == ["line 3: the image is answered 'kangaroo' here and 'gazelle' in line 2"]

    path.write_text("path,label\npool/a.jpg,gazelle\npool/copy.jpg,gazelle\n")
    assert import_answers(library, path, actor="anna").counts["labelled"] == 1


def test_a_parquet_file_does_as_well(library: Library, ids: dict[str, str], tmp_path: Path) -> None:
    table = pd.DataFrame({"image_id": [ids["a"], ids["b"]], "label": ["gazelle", None]})
    write_parquet(table, tmp_path / "queue.parquet")

    counts = import_answers(library, tmp_path / "queue.parquet", actor="anna").counts

    assert (counts["labelled"], counts["unanswered"]) == (1, 1)
    write_parquet(table.assign(label="gazele"), tmp_path / "queue.parquet")
    with pytest.raises(FaultsError, match=r"row 1 \(and 1 more\): no class 'gazele'"):
        import_answers(library, tmp_path / "queue.parquet", actor="anna")


def test_a_new_class_has_to_be_named(library: Library, ids: dict[str, str], answer: Answer) -> None:
    with pytest.raises(FaultsError, match=r"no class 'okapi' is known\n.*--new-class"):
        answer(a="okapi", b="okapi")

    assert answer(("okapi",), a="okapi", b="okapi", c="gazelle").counts["new_classes"] == 1
    assert answer(d="okapi").counts["new_classes"] == 0


def test_a_class_of_the_model_needs_no_naming(
    library: Library, ids: dict[str, str], answer: Answer
) -> None:
    with runs.running(library, "bulk-id", {"model": "m", "classes": ["okapi"]}):
        pass

    assert answer(a="okapi").counts["new_classes"] == 1


def test_all_faults_come_together_in_the_order_of_the_file(
    library: Library, ids: dict[str, str], tmp_path: Path
) -> None:
    lines = [
        "image_id,label,sub_class",
        f"{ids['a']},gazele,",
        "0123,gazelle,",
        f"{ids['b']},Gazelle,",
        f"{ids['c']},gazelle,con",
        f"{ids['d']},gazelle",
        f"{ids['d']},,adult",
        f"{ids['d']},rejected,adult",
        f"{ids['d']},kangaroo,",
        f"{ids['g']}, gazelle,",
        f"{ids['k']},Rejected,",
        ",kangaroo,",
        f"{ids['k']},Unknown,",
    ]

    faults = faults_of(library, tmp_path / "answers.csv", "\n".join(lines) + "\n")

    assert faults == [
        "line 2: no class 'gazele' is known; did you mean 'gazelle'?",
        "line 3: image_id '0123' is no image of the library",
        "line 4: class 'Gazelle' differs from 'gazelle' only in case or composition",
        "line 5: sub_class 'con' is the name of a device on Windows",
        "line 6: 2 cells, 3 columns",
        "line 7: sub_class 'adult' without a class",
        "line 8: sub_class 'adult' without a class",
        "line 9: the image is answered 'kangaroo' here and 'rejected / adult' in line 8",
        "line 10: class ' gazelle' differs from 'gazelle' only in case or composition",
        "line 11: class 'Rejected' differs from 'rejected' only in case or composition",
        "line 12: path '' is no image of the library",
        "line 13: class 'Unknown' differs from 'unknown' only in case or composition",
        "line 13: the image is answered 'Unknown' here and 'Rejected' in line 11",
    ]


@pytest.mark.parametrize(
    ("header", "faults"),
    [
        ("image_id,Label", ["line 1: the column 'label' is missing (is it 'Label'?)"]),
        (
            "predicted",
            [
                "line 1: the column 'label' is missing",
                "line 1: one of the columns 'image_id' and 'path' is needed, to name images",
            ],
        ),
        ("image_id;label", ["line 1: is separated by semicolons, not by commas"]),
        ("image_id,label,label", ["line 1: the column 'label' is there 2 times"]),
    ],
)
def test_a_wrong_header_is_answered(
    library: Library, tmp_path: Path, header: str, faults: list[str]
) -> None:
    assert faults_of(library, tmp_path / "answers.csv", f"{header}\n") == faults


def test_an_empty_file_lacks_its_columns(library: Library, tmp_path: Path) -> None:
    assert len(faults_of(library, tmp_path / "answers.csv", "")) == 2


@pytest.mark.parametrize("name", ["queue.xlsx", "missing.csv", "missing.parquet"])
def test_a_file_that_cannot_be_read_is_refused(library: Library, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=name):
        import_answers(library, tmp_path / name, actor="anna")


def test_a_path_that_no_file_can_have_is_a_fault_like_any_other(
    library: Library, ids: dict[str, str], tmp_path: Path
) -> None:
    faults = faults_of(library, tmp_path / "answers.csv", "path,label\na\\x00b,gazelle\n")

    assert faults == ["line 2: path 'a\\\\x00b' is no image of the library"]


def test_an_import_is_a_run_with_the_digest_of_its_file(library: Library, answer: Answer) -> None:
    answer(a="gazelle")

    query = select(schema.runs).where(schema.runs.c.stage == "label")
    with library.reading() as connection:
        (run,) = connection.execute(query).all()
    assert run.status == "done"
    assert len(json.loads(run.parameters)["sha256"]) == 64
    assert json.loads(run.summary)["labelled"] == 1


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rounds=st.lists(
        st.dictionaries(
            st.sampled_from(NAMES),
            st.sampled_from(["", "gazelle", "kangaroo", "kangaroo/joey", "unknown", "rejected"]),
            min_size=1,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_whatever_was_imported_the_last_answer_holds(
    library: Library, ids: dict[str, str], answer: Answer, rounds: list[dict[str, str]]
) -> None:
    for said in rounds:
        imported = answer(**said)
        assert sum(imported.counts[name] for name in ("labelled", "unknown", "rejected")) == int(
            (imported.table["status"] != "unchanged").sum()
        )
        assert len(imported.table) + imported.counts["unanswered"] == len(said)
        for name, text in said.items():
            label, sub_class = f"{text}/".split("/")[:2]
            had = kept(library, ids[name])
            if label == "rejected":
                assert not had[2]
            elif label:
                assert (had[0], had[2]) == (label, True)
                assert sub_class in ("", had[1])
        before = decided(library)
        answer(**said)
        assert decided(library) == before


def test_exported_labels_come_back_by_a_scan(
    library: Library, photo: MakePhoto, ids: dict[str, str], answer: Answer, tmp_path: Path
) -> None:
    lines = "path,label,origin,bbox,group,group_camera\n"
    (tmp_path / "m.csv").write_text(
        f"{lines}a.jpg,=cmd,staged,1 2 3 4,g1,\nb.jpg,unknown,,,,left\nc.jpg,gazelle,,,,\n"
    )
    scan(library, tmp_path / "pool", labels=str(tmp_path / "m.csv"), backend="serial")
    answer(c="rejected")

    table = export_labels(library)
    assert list(table.columns) == [
        *("image_id", "path", "label", "sub_class", "was", "origin"),
        *("group_camera", "group_group", "bbox"),
    ]
    assert [Path(path).name for path in table["path"]] == ["g.jpg", "k.jpg", "a.jpg", "b.jpg"]
    write_csv(table, tmp_path / "labels.csv")

    with opened(tmp_path / "photos", make=True) as other:
        (tmp_path / "pool").rename(tmp_path / "photos" / "pool")
        moved = table.assign(path=table["path"].str.replace("/pool/", "/photos/pool/"))
        write_csv(moved, tmp_path / "labels.csv")
        scan(other, tmp_path / "photos", labels=str(tmp_path / "labels.csv"), backend="serial")
        again = export_labels(other)
    pd.testing.assert_frame_equal(
        again.sort_values("path", ignore_index=True), moved.sort_values("path", ignore_index=True)
    )


def test_a_library_without_labels_exports_an_empty_manifest(library: Library) -> None:
    table = export_labels(library)

    assert table.empty
    assert list(table.columns) == ["image_id", "path", "label", "sub_class", "was", "origin"]


def test_labels_that_come_back_as_they_went_out_undo_no_correction(
    library: Library, ids: dict[str, str], answer: Answer, tmp_path: Path
) -> None:
    answer(a="gazelle", b="gazelle", c="kangaroo/joey", d="gazelle")
    sent = export_labels(library)
    write_csv(sent, tmp_path / "labels.csv")
    answer(a="kangaroo", c="kangaroo/adult", d="rejected", k="gazelle")
    before = [kept(library, ids[name]) for name in (*NAMES, "g", "k")]

    counts = import_answers(library, tmp_path / "labels.csv", actor="anna").counts
    assert (counts["unchanged"], counts["labelled"]) == (6, 0)
    assert [kept(library, ids[name]) for name in (*NAMES, "g", "k")] == before

    # A person says it: by another class, another sub-class, or without the word of the export.
    sent.loc[sent["image_id"] == ids["b"], "label"] = "kangaroo"
    sent.loc[sent["image_id"] == ids["c"], "sub_class"] = "old"
    sent.loc[sent["image_id"] == ids["a"], "was"] = ""
    write_csv(sent, tmp_path / "labels.csv")
    counts = import_answers(library, tmp_path / "labels.csv", actor="anna").counts
    assert (counts["unchanged"], counts["labelled"], counts["changed"]) == (3, 3, 3)
    assert [kept(library, ids[name])[:2] for name in "abc"] == [
        ("gazelle", None),
        ("kangaroo", None),
        ("kangaroo", "old"),
    ]


def test_a_class_that_is_gone_since_is_no_fault_of_what_went_out(
    library: Library, ids: dict[str, str], answer: Answer, tmp_path: Path
) -> None:
    answer(("gazele",), a="gazele")
    write_csv(export_labels(library), tmp_path / "labels.csv")
    answer(a="gazelle")

    assert import_answers(library, tmp_path / "labels.csv", actor="anna").counts["changed"] == 0
    text = (tmp_path / "labels.csv").read_text().replace("gazele,,gazele", "gazele,,")
    assert len(faults_of(library, tmp_path / "labels.csv", text)) == 1


def test_labels_of_another_library_are_answers(
    library: Library, ids: dict[str, str], answer: Answer, tmp_path: Path
) -> None:
    answer(a="gazelle")
    write_csv(export_labels(library), tmp_path / "labels.csv")
    with opened(tmp_path / "new", make=True) as other:
        scan(other, tmp_path / "photos", backend="serial")
        scan(other, tmp_path / "pool", backend="serial")
        (tmp_path / "own.csv").write_text(f"image_id,label\n{ids['a']},kangaroo\n")
        import_answers(other, tmp_path / "own.csv", actor="ben", new_classes=["kangaroo"])
        counts = import_answers(
            other, tmp_path / "labels.csv", actor="ben", new_classes=["gazelle"]
        ).counts
        assert (counts["labelled"], counts["changed"]) == (3, 1)
        assert kept(other, ids["a"])[0] == "gazelle"


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rounds=st.lists(
        st.dictionaries(
            st.sampled_from(NAMES),
            st.sampled_from(["gazelle", "kangaroo", "kangaroo/joey", "unknown", "rejected"]),
        ),
        min_size=2,
        max_size=2,
    )
)
def test_whatever_was_corrected_an_untouched_export_decides_nothing(
    library: Library,
    ids: dict[str, str],
    answer: Answer,
    tmp_path: Path,
    rounds: list[dict[str, str]],
) -> None:
    first, since = rounds
    answer(**first)
    write_csv(export_labels(library), tmp_path / "labels.csv")
    answer(**since)
    before = decided(library)
    import_answers(library, tmp_path / "labels.csv", actor="anna")
    assert decided(library) == before


@pytest.fixture
def backup(library: Library, ids: dict[str, str], answer: Answer, tmp_path: Path) -> pd.DataFrame:
    """Export the labels of two folders to labels.csv, and move the folders to other places."""
    answer(("okapi",), a="okapi", b="unknown", c="kangaroo/joey", d="rejected")
    table = export_labels(library)
    write_csv(table, tmp_path / "labels.csv")
    (tmp_path / "disk").mkdir()
    (tmp_path / "pool").rename(tmp_path / "disk" / "elsewhere")
    (tmp_path / "photos").rename(tmp_path / "disk" / "renamed")
    return table


def test_a_backup_comes_back_by_content_from_folders_that_moved(
    backup: pd.DataFrame, tmp_path: Path
) -> None:
    with opened(tmp_path / "new", make=True) as other:
        scan(other, tmp_path / "disk/elsewhere", backend="serial")
        scan(other, tmp_path / "disk/renamed", backend="serial")
        counts = import_answers(other, tmp_path / "labels.csv", actor="anna").counts
        again = export_labels(other)
        repeated = import_answers(other, tmp_path / "labels.csv", actor="anna").counts

    assert (counts["labelled"], counts["unknown"], counts["new_classes"]) == (4, 1, 3)
    assert repeated["unchanged"] == len(backup) == 5
    columns = ["image_id", "label", "sub_class"]
    pd.testing.assert_frame_equal(
        again[columns].sort_values("image_id", ignore_index=True),
        backup[columns].sort_values("image_id", ignore_index=True),
    )
    assert all("/disk/" in path for path in again["path"])


def test_a_backup_of_images_that_were_not_scanned_is_refused_whole(
    backup: pd.DataFrame, tmp_path: Path
) -> None:
    with opened(tmp_path / "new", make=True) as other:
        scan(other, tmp_path / "disk/elsewhere", backend="serial")
        found = faults_of(other, tmp_path / "labels.csv", (tmp_path / "labels.csv").read_text())
    assert ["is no image of the library" in fault for fault in found] == [True, True]


def test_an_export_of_two_folders_is_no_manifest_of_one(
    library: Library, ids: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "m.csv").write_text("path,label\na.jpg,gazelle\n")
    scan(library, tmp_path / "pool", labels=str(tmp_path / "m.csv"), backend="serial")
    write_csv(export_labels(library), tmp_path / "labels.csv")

    with pytest.raises(FaultsError, match="leads out of"):
        scan(library, tmp_path / "photos", labels=str(tmp_path / "labels.csv"), backend="serial")


@pytest.fixture
def pool(library: Library, photo: MakePhoto, tmp_path: Path) -> Library:
    """Scan three images into a library that knows no class."""
    for seed, name in enumerate("abc"):
        photo(f"pool/{name}.jpg", seed)
    scan(library, tmp_path / "pool", backend="serial")
    return library


def test_what_cannot_name_a_class_is_refused_where_none_is_known_too(
    pool: Library, tmp_path: Path
) -> None:
    path, text = tmp_path / "labels.csv", "path,label\npool/a.jpg,Cat\npool/b.jpg,cat\n"
    assert faults_of(pool, path, f"{text}pool/c.jpg,con\n") == [
        "line 3: class 'cat' differs from 'Cat' only in case or composition",
        "line 4: 'con' cannot name a class: it is the name of a device on Windows",
    ]
    (fault,) = faults_of(pool, path, "path,label\npool/a.jpg,Unknown\n")
    assert "differs from 'unknown'" in fault


def test_once_something_is_known_a_class_has_to_be_named(pool: Library, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("path,label\npool/a.jpg,unknown\n")
    import_answers(pool, path, actor="anna")
    path.write_text("path,label\npool/a.jpg,okapi\npool/b.jpg,gazelle\n")
    with pytest.raises(FaultsError, match="no class 'gazelle' is known"):
        import_answers(pool, path, actor="anna", new_classes=["okapi"])
    # Images of which nobody knows what they show say nothing of classes.
    assert import_answers(pool, path, actor="anna").counts["new_classes"] == 2
    assert faults_of(pool, path, "path,label\npool/c.jpg,gazele\n") == [
        "line 2: no class 'gazele' is known; did you mean 'gazelle'?"
    ]


def test_a_model_that_predicted_says_what_classes_there_are(pool: Library, tmp_path: Path) -> None:
    with runs.running(pool, "bulk-id", {"model": "m", "classes": ["okapi"]}):
        pass
    (fault,) = faults_of(pool, tmp_path / "labels.csv", "path,label\npool/a.jpg,okapy\n")
    assert fault == "line 2: no class 'okapy' is known; did you mean 'okapi'?"
