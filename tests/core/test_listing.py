"""A listing meets every file once, in the order of the paths, whatever was named."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core import archives, files
from curate.core.errors import FaultsError, InputError
from curate.core.files import FileEntry, NotReadable, Walked
from curate.core.listing import KINDS, entries_of, listed, merged, place_of


def tar(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as made:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return path


def files_in(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def met(*roots: str | Path, passed: Walked | None = None) -> list[str]:
    here = os.getcwd() + "/"
    found = merged([place_of(root) for root in roots], passed or Walked())
    return [os.fsdecode(entry.path).removeprefix(here) for entry in found]


NAME = st.text("aA-./0~é", min_size=1, max_size=4).filter(lambda n: "/" not in n and n[0] != ".")
PATHS = st.lists(st.lists(NAME, min_size=1, max_size=4).map("/".join), max_size=12)


@settings(max_examples=60)
@given(PATHS, PATHS)
def test_a_folder_is_met_in_the_order_of_all_its_paths(plain: list[str], packed: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        expected = []
        for name in dict.fromkeys([*plain, *(f"{name}.tar" for name in packed)]):
            path = Path(folder, name)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.exists():
                    continue
                if name.endswith(".tar"):
                    tar(path, {"b": b"x", "-a.jpg": b"x"})
                    expected += [f"{path}//b", f"{path}//-a.jpg"]
                else:
                    path.write_bytes(b"x")
                    expected.append(str(path))
            except (FileExistsError, NotADirectoryError):
                continue
        passed = Walked()
        found = [entry.path for entry in entries_of(place_of(folder), passed)]
        assert found == sorted(os.fsencode(name) for name in expected)
        assert not passed.failed


def test_several_places_are_one_list_and_each_file_comes_once() -> None:
    files_in(Path(), "p/a.jpg", "p/q/b.jpg", "c.jpg")
    tar(Path("p/x.tar"), {"m.jpg": b"x"})
    expected = ["c.jpg", "p/a.jpg", "p/q/b.jpg", "p/x.tar//m.jpg"]
    places = ["p", "p/q", "c.jpg", "p/x.tar", "p/**/*.jpg", "p/x.tar//m.jpg"]
    assert met(*places) == met(*reversed(places)) == expected


def test_a_merge_opens_an_archive_only_when_its_turn_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    roots = [tar(Path(f"{n}.tar"), {"m.jpg": b"x"}) for n in range(6)]
    places = [place_of(root) for root in roots]
    opened = []
    real = archives.entries

    def noted(archive: bytes, passed: Walked) -> Iterator[FileEntry]:
        opened.append(archive)
        return real(archive, passed)

    monkeypatch.setattr(archives, "entries", noted)
    found = merged(places, Walked())
    next(found)
    assert len(opened) == 1
    assert len([*found]) == 5


def test_what_a_place_is() -> None:
    files_in(Path(), "p/a.jpg", "list.csv", "list.txt")
    path = tar(Path("x.TAR"), {"m.jpg": b"x"}).resolve()
    here = os.getcwdb()
    said = {
        root: (place.kind, place.within)
        for root in ("p", "p/a.jpg", "list.csv", "list.txt", "x.TAR", "x.TAR//m.jpg", "p/*.jpg")
        for place in [place_of(root)]
    }
    assert said == {
        "p": ("folder", here + b"/p/"),
        "p/a.jpg": ("file", None),
        "list.csv": ("manifest", None),
        "list.txt": ("manifest", None),
        "x.TAR": ("archive", os.fsencode(path) + b"//"),
        "x.TAR//m.jpg": ("file", None),
        "p/*.jpg": ("glob", None),
    }
    assert {kind for kind, _ in said.values()} == set(KINDS) - {"url"}


def test_a_file_with_signs_in_its_name_is_that_file() -> None:
    files_in(Path(), "a[1].jpg", "a1.jpg")
    assert met("a[1].jpg") == ["a[1].jpg"]


@pytest.mark.parametrize(
    ("root", "said"),
    [
        ("nothing", "no such file or directory"),
        ("pipe", "is neither a folder nor a file"),
        ("x.tar//missing.jpg", "no such member"),
        ("x.tar.gz", "compressed as a whole by gzip"),
        ("lying.tar", "compressed as a whole by gzip"),
        ("ftp://host/a.jpg", "has a scheme that is not opened; known: s3, gs, http"),
        ("file:///etc/passwd", "has a scheme that is not opened"),
        ("s3://a::file:///etc", "is a chain of URLs"),
        ("s3://key:secret@bucket/a", "holds a user name or a password"),
    ],
)
def test_what_cannot_be_listed_is_refused(root: str, said: str) -> None:
    os.mkfifo("pipe")
    tar(Path("x.tar"), {"m.jpg": b"x"})
    for name in ("x.tar.gz", "lying.tar"):
        Path(name).write_bytes(b"\x1f\x8b\x08 and so on")
    with pytest.raises(InputError, match=said):
        place_of(root)


def test_damaged_and_compressed_archives_in_a_folder_are_failures_and_the_rest_is_met() -> None:
    files_in(Path(), "p/a.jpg", "p/bad.tar", "p/bad.zip", "p/x.tar.gz", "p/y.tgz")
    tar(Path("p/cut.tar"), {"m.jpg": b"x" * 900, "n.jpg": b"x" * 900})
    data = Path("p/cut.tar").read_bytes()
    Path("p/cut.tar").write_bytes(data[:2512])
    passed = Walked()
    assert met("p", passed=passed) == ["p/a.jpg", "p/cut.tar//m.jpg", "p/cut.tar//n.jpg"]
    said = {os.path.basename(path): why for path, why in passed.failed}
    assert list(said) == [b"bad.tar", b"bad.zip", b"cut.tar", b"x.tar.gz", b"y.tgz"]
    assert said[b"bad.tar"].startswith("it has no end mark")
    assert said[b"bad.zip"].startswith("broken zip")
    assert "compressed tar" in said[b"y.tgz"]
    with pytest.raises(NotReadable, match="cut off: 464 of 900 bytes"):
        files.read(os.path.abspath(b"p/cut.tar") + b"//n.jpg")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("p/*.jpg", ["p/a.jpg", "p/b.jpg"]),
        ("p/**/*.jpg", ["p/a.jpg", "p/b.jpg", "p/q/c.jpg", "p/q/r/d.jpg", "p/x.jpg/e.jpg"]),
        ("p/**", ["p/a.jpg", "p/b.jpg", "p/q/c.jpg", "p/q/r/d.jpg", "p/t.txt", "p/x.jpg/e.jpg"]),
        ("p/*/*/*.jpg", ["p/q/r/d.jpg"]),
        ("**/r/**/[a-d].jpg", ["p/q/r/d.jpg"]),
        ("p/**/**/?.jpg", ["p/a.jpg", "p/b.jpg", "p/q/c.jpg", "p/q/r/d.jpg", "p/x.jpg/e.jpg"]),
        ("p/[!a].jpg", ["p/b.jpg"]),
        ("p/.*/*.jpg", ["p/.hidden/h.jpg"]),
        ("./p/*.txt", ["p/t.txt"]),
    ],
)
def test_patterns_match_as_a_shell_does(pattern: str, expected: Sequence[str]) -> None:
    files_in(
        Path(), "p/a.jpg", "p/b.jpg", "p/q/c.jpg", "p/q/r/d.jpg", "p/t.txt", "p/x.jpg/e.jpg",
        "p/.hidden/h.jpg", "p/q/.h.jpg", "p/.curate/z.jpg",
    )  # fmt: skip
    assert met(pattern) == expected


def test_a_pattern_that_nothing_matches_is_an_error() -> None:
    files_in(Path(), "p/a.jpg")
    with pytest.raises(InputError, match="no file matches"):
        met("p/*.png")
    with pytest.raises(InputError, match="no file matches"):
        met("q/*.png")


def table(name: str, paths: Sequence[str]) -> str:
    Path("m").mkdir(exist_ok=True)
    if name.endswith(".parquet"):
        pd.DataFrame({"path": paths, "other": 1}).to_parquet(f"m/{name}")
    elif name.endswith(".txt"):
        Path("m", name).write_text("".join(f"{path}\n" for path in paths))
    else:
        sign = "\t" if name.endswith(".tsv") else ","
        pd.DataFrame({"other": 1, "path": paths}).to_csv(f"m/{name}", index=False, sep=sign)
    return f"m/{name}"


@pytest.mark.parametrize("name", ["l.csv", "l.tsv", "l.parquet", "l.txt", "L.CSV"])
def test_a_manifest_of_any_kind_is_sorted_and_each_path_comes_once(name: str) -> None:
    files_in(Path(), "a.jpg", "m/b.jpg", "m/c,d.jpg")
    tar(Path("m/x.tar"), {"1.jpg": b"x", "2.jpg": b"x"})
    absolute = os.path.abspath("a.jpg")
    rows = ["x.tar//2.jpg", "c,d.jpg", absolute, "../a.jpg", "b.jpg", "x.tar//1.jpg", "gone.jpg"]
    found = ["a.jpg", "m/b.jpg", "m/c,d.jpg", "m/gone.jpg", "m/x.tar//1.jpg", "m/x.tar//2.jpg"]
    place = place_of(table(name, rows))
    assert met(place.path.decode()) == found
    sizes = {entry.path.rpartition(b"/")[2]: entry.bytes for entry in entries_of(place, Walked())}
    assert sizes[b"b.jpg"] == len("m/b.jpg")
    assert sizes[b"gone.jpg"] == 0


def test_a_manifest_names_all_its_faults() -> None:
    place = place_of(table("l.txt", ["s3://b/a.jpg", "ok.jpg", "a\x00b", "file:///etc/passwd"]))
    with pytest.raises(FaultsError) as caught:
        entries_of(place, Walked())
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["line 1", "line 3", "line 4"]
    assert 'write schemes = ["s3"] under [sources] in curate.toml' in caught.value.faults[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"label\nx\n", "'path' is missing; there is 'label'"),
        (b"path;label\na;b\n", "'path' is missing"),
        (b"", "'path' is missing"),
        (b'path\n"open\n', "line 2: is not CSV in UTF-8"),
        (b"\xff\xfep\x00", "line 1: is not CSV in UTF-8"),
        (b"path,label\na.jpg,x\n\n,y\n", "line 4: '' is no path"),
    ],
)
def test_a_csv_that_is_none_is_refused(content: bytes, said: str) -> None:
    Path("l.csv").write_bytes(content)
    with pytest.raises(FaultsError, match=said):
        entries_of(place_of("l.csv"), Walked())


def test_a_scan_takes_archives_and_not_what_says_nothing_of_the_rest() -> None:
    path = tar(Path("x.tar"), {"a/m.jpg": b"x"})
    place, found = listed(path, Walked())
    assert (place, [entry.path for entry in found]) == (
        os.path.abspath(b"x.tar"), [os.path.abspath(b"x.tar") + b"//a/m.jpg"],
    )  # fmt: skip
    for root in (table("l.txt", ["a.jpg"]), "m/*"):
        with pytest.raises(InputError, match="says nothing of the files"):
            listed(root, Walked())
    with pytest.raises(InputError, match="there is no file in it"):
        listed(tar(Path("empty.tar"), {}), Walked())
    with zipfile.ZipFile("empty.zip", "w"):
        pass
    with pytest.raises(InputError, match="there is no file in it"):
        listed("empty.zip", Walked())
