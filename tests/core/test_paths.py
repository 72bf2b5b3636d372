"""Paths are bytes: whatever they are, their text is printable and leads back to them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curate.core.paths import absolute, beside, from_text, parted, to_text


@given(st.binary())
@example(b"a\\x41")
@example(b"\\\\x41\\")
@example(b"\xed\xa0\x80")
@example("e\u0301\u202e\u00a0\u3000\u2028".encode())
def test_any_bytes_come_back_from_their_text(path: bytes) -> None:
    assert from_text(to_text(path)) == path


@given(st.binary())
def test_the_text_is_printable_unicode(path: bytes) -> None:
    text = to_text(path)
    assert text.isprintable()
    text.encode("utf-8")


@given(st.text())
def test_a_path_in_text_is_read_as_it_was_written_unless_it_has_a_backslash(text: str) -> None:
    if "\\" not in text and not any("\ud800" <= c <= "\udfff" for c in text):
        assert from_text(text) == text.encode()


@given(st.binary(), st.binary())
def test_two_paths_never_share_a_text(one: bytes, other: bytes) -> None:
    assert (to_text(one) == to_text(other)) == (one == other)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (b"plain/photo 1.jpg", "plain/photo 1.jpg"),
        ("zoë/鹿.jpg".encode(), "zoë/鹿.jpg"),
        (b"a\xff\n", r"a\xff\x0a"),
        (b"a\\b", r"a\\b"),
        ("a\u200bb".encode(), r"a\xe2\x80\x8bb"),
    ],
)
def test_how_it_is_written(path: bytes, text: str) -> None:
    assert to_text(path) == text


@pytest.mark.parametrize("typed", ["photos", Path("photos"), b"photos"])
def test_absolute_takes_any_kind_of_path(tmp_path: Path, typed: str | Path | bytes) -> None:
    assert absolute(typed) == os.fsencode(tmp_path / "photos")


def test_absolute_resolves_links_of_folders(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert absolute(tmp_path / "link" / "photo.jpg") == os.fsencode(tmp_path / "real/photo.jpg")


@pytest.mark.parametrize(
    ("path", "archive", "member"),
    [
        (b"/data/a.jpg", b"/data/a.jpg", b""),
        (b"/data/x.tar//a/b.jpg", b"/data/x.tar", b"a/b.jpg"),
        (b"/data/x.ZIP///a//b.jpg", b"/data/x.ZIP", b"/a//b.jpg"),
        (b"s3://bucket/a.jpg", b"s3://bucket/a.jpg", b""),
        (b"s3://bucket/x.tar//m.jpg", b"s3://bucket/x.tar", b"m.jpg"),
        (b"s3://bucket/a//b.jpg", b"s3://bucket/a//b.jpg", b""),
    ],
)
def test_a_path_is_parted_into_archive_and_member(
    path: bytes, archive: bytes, member: bytes
) -> None:
    assert parted(path) == (archive, member)
    assert to_text(path) == path.decode()
    assert absolute(path) == path


def test_a_member_is_found_from_where_a_person_stands(tmp_path: Path) -> None:
    here = os.fsencode(tmp_path)
    assert absolute("p/../x.tar//a//../b.jpg") == here + b"/x.tar//a//../b.jpg"
    assert beside(here, b"p/../x.tar//a//b.jpg") == here + b"/x.tar//a//b.jpg"
    assert beside(here, b"s3://bucket//a") == b"s3://bucket//a"
    (tmp_path / "folder.tar").mkdir()
    assert absolute("folder.tar//b.jpg") == here + b"/folder.tar/b.jpg"
