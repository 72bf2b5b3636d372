"""What fastdup's readers expect: pairs with a similarity that is called distance."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from curate.core import paths
from curate.formats.fastdup import write_fastdup
from curate.formats.tables import read_rows

Row = tuple[str, str, bool, float]


def written(path: Path, *rows: Row) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["group", "path", "keeper", "similarity"])
    write_fastdup(table.astype({"keeper": bool}), path)
    return pd.read_csv(path)


def test_each_file_is_paired_with_the_keeper(tmp_path: Path) -> None:
    rows: list[Row] = [
        ("g2", "c.jpg", True, 1.0), ("g1", "b.jpg", False, 0.875), ("g1", "z.jpg", True, 1.0),
        ("g1", "a.jpg", False, 1.0), ("g2", "d.jpg", False, 2 / 3),
    ]  # fmt: skip
    found = written(tmp_path / "f.csv", *rows)
    assert list(found.columns) == ["from", "to", "distance"]
    assert list(found.itertuples(index=False, name=None)) == [
        ("z.jpg", "a.jpg", 1.0), ("z.jpg", "b.jpg", 0.875), ("c.jpg", "d.jpg", 2 / 3),
    ]  # fmt: skip
    pd.testing.assert_frame_equal(written(tmp_path / "f.csv", *reversed(rows)), found)


def test_no_groups_are_a_header(tmp_path: Path) -> None:
    assert len(written(tmp_path / "f.csv")) == 0
    assert (tmp_path / "f.csv").read_bytes() == b"from,to,distance\r\n"


def test_any_name_survives(tmp_path: Path) -> None:
    names = [b"-rf.jpg", b"/p/\xff\n.jpg", "/p/ä \",'.jpg".encode()]
    kept, *others = [paths.to_text(name) for name in names]
    written(tmp_path / "f.csv", ("g", kept, True, 1.0), *(("g", o, False, 0.9) for o in others))
    _, *rows = (cells for _, cells in read_rows(tmp_path / "f.csv"))
    assert {(paths.from_text(a), paths.from_text(b)) for a, b, _ in rows} == {
        (names[0], names[1]), (names[0], names[2]),
    }  # fmt: skip
    assert len(rows) == 2
