"""The headers of a tar lead to what `tarfile` finds; hostile ones end the reading, not the run."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass

import pytest
import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.tars import BLOCK, Contents, read_headers

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)


@dataclass
class Bytes:
    """A source that lies in memory."""

    content: bytes
    size: int = 0
    stride: int = 1024

    def read_at(self, offset: int, length: int) -> bytes:
        return self.content[offset : offset + length]


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.type = kind
    return info


def packed(members: list[tuple[tarfile.TarInfo, bytes]], kind: int = tarfile.PAX_FORMAT) -> bytes:
    made = io.BytesIO()
    with tarfile.open(
        fileobj=made, mode="w", format=kind, encoding="utf-8", errors="surrogateescape"
    ) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def contents(data: bytes) -> dict[bytes, bytes]:
    tar = read_headers(Bytes(data))
    assert not tar.damage
    return {
        name: data[header + BLOCK : header + BLOCK + size]
        for name, (header, size) in tar.members.items()
    }


def as_tarfile(data: bytes) -> dict[bytes, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape") as tar:
        for info in tar:
            if info.isreg():
                file = tar.extractfile(info)
                assert file is not None
                found[info.name.encode("utf-8", "surrogateescape")] = file.read()
    return found


names = st.text(
    st.characters(blacklist_characters="\x00", blacklist_categories=["Cs"]), min_size=1, max_size=40
).filter(lambda name: not name.endswith("/"))
long_names = st.builds(lambda name, times: f"{name}/" * times + "x.jpg", names, st.integers(0, 12))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(names | long_names, st.binary(max_size=1200)), max_size=8),
    st.sampled_from(FORMATS),
    st.booleans(),
)
def test_members_are_those_of_tarfile(
    listed: list[tuple[str, bytes]], kind: int, dated: bool
) -> None:
    members = [(member(name, content), content) for name, content in listed]
    for info, _ in members:
        info.mtime = 0.5 if dated else 3  # a fraction makes a pax header
    try:
        data = packed(members, kind)
    except ValueError:
        return  # ustar has no room for the name
    assert contents(data) == as_tarfile(data)


def test_what_webdataset_writes_is_read() -> None:
    made = io.BytesIO()
    with webdataset.TarWriter(made) as writer:
        for number in range(5):
            writer.write({"__key__": f"a/{number:04d}", "jpg": b"x" * number, "cls": 3})
    found = contents(made.getvalue())
    assert found[b"a/0004.jpg"] == b"xxxx"
    assert found == as_tarfile(made.getvalue())


def test_links_devices_and_folders_are_no_members() -> None:
    data = packed(
        [
            (member("folder", kind=tarfile.DIRTYPE), b""),
            (member("soft.jpg", kind=tarfile.SYMTYPE), b""),
            (member("hard.jpg", kind=tarfile.LNKTYPE), b""),
            (member("pipe.jpg", kind=tarfile.FIFOTYPE), b""),
            (member("disk.jpg", kind=tarfile.CHRTYPE), b""),
            (member("a.jpg", b"x"), b"x"),
        ]
    )
    tar = read_headers(Bytes(data))
    assert (list(tar.members), tar.links, tar.special, tar.damage) == ([b"a.jpg"], 2, 2, "")


def test_a_sparse_file_is_special_and_the_next_member_is_met() -> None:
    sparse = member("sparse.jpg", b"x" * 600)
    sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.realsize": "99999"}
    tar = read_headers(Bytes(packed([(sparse, b"x" * 600), (member("b.jpg", b"y"), b"y")])))
    assert (list(tar.members), tar.special) == ([b"b.jpg"], 1)


def old_sparse(maps: int) -> bytes:
    header = bytearray(member("old.jpg", b"x", tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT))
    header[482] = maps > 0
    header[148:156] = b"        "
    header[148:156] = b"%06o\x00 " % sum(header)
    blocks = b"".join(bytes(504) + bytes([n < maps - 1]) + bytes(7) for n in range(maps))
    return bytes(header) + blocks + b"x".ljust(BLOCK, b"\x00")


@pytest.mark.parametrize("maps", [0, 1, 3])
def test_an_old_sparse_file_is_passed_by(maps: int) -> None:
    tar = read_headers(Bytes(old_sparse(maps) + packed([(member("b.jpg", b"y"), b"y")])))
    assert (list(tar.members), tar.special, tar.damage) == ([b"b.jpg"], 1, "")


def test_the_last_of_a_name_counts() -> None:
    data = packed([(member("a.jpg", b"old"), b"old"), (member("a.jpg", b"newer"), b"newer")])
    assert contents(data) == {b"a.jpg": b"newer"}
    assert read_headers(Bytes(data)).twice == {b"a.jpg"}


def test_checksums_of_signed_bytes_are_taken() -> None:
    header = bytearray(member("é.jpg").tobuf(tarfile.GNU_FORMAT))
    header[148:156] = b"        "
    header[148:156] = b"%06o\x00 " % sum(byte - 256 * (byte > 127) for byte in header)
    assert list(contents(bytes(header) + bytes(1024))) == ["é.jpg".encode()]


def changed(data: bytes, at: int, new: bytes) -> bytes:
    """Write into a header and set its checksum right."""
    header = bytearray(data[:BLOCK])
    header[at : at + len(new)] = new
    header[148:156] = b"        "
    header[148:156] = b"%06o\x00 " % sum(header)
    return bytes(header) + data[BLOCK:]


PLAIN = packed([(member("a.jpg", b"abc"), b"abc"), (member("b.jpg", b"d"), b"d")])


@pytest.mark.parametrize(
    ("data", "damage", "members"),
    [
        (b"", "no end mark", []),
        (b"\xff\xd8" * 500, "is not a tar", []),
        (PLAIN[:700], "no end mark", [b"a.jpg"]),
        (PLAIN[:1024] + b"?" * 512 + PLAIN[1536:], "header at byte 1,024 is damaged", [b"a.jpg"]),
        (PLAIN[: 4 * BLOCK], "no end mark; it may be cut off", [b"a.jpg", b"b.jpg"]),
        (changed(PLAIN, 124, b"99999999999\x00"), "is not a tar", []),
        (changed(PLAIN, 124, b"-0000000003\x00"), "is not a tar", []),
        # Two's complement: tarfile of some versions goes round in circles here.
        (changed(PLAIN, 124, b"\xff" * 12), "is not a tar", []),
        (changed(PLAIN, 124, b"\x80" + b"\x7f" * 11), "no end mark", [b"a.jpg"]),
        (changed(PLAIN, 156, b"L"), "header at byte 1,024", []),
        (changed(changed(PLAIN, 156, b"x"), 124, b"00007777777\x00"), "limit of 1,048,576", []),
        (changed(changed(PLAIN, 156, b"x"), 124, b"00000777777\x00"), "cut off in a header", []),
    ],
)
def test_hostile_headers_end_the_reading(data: bytes, damage: str, members: list[bytes]) -> None:
    tar = read_headers(Bytes(data))
    if damage == "header at byte 1,024":
        # The "long name" is the first member's content; the second takes it.
        assert list(tar.members) == [b"abc"]
        return
    assert damage in tar.damage
    assert list(tar.members) == members


@pytest.mark.parametrize(
    "records",
    [b"99 path=a\n", b"0 path=a\n", b"x path=a\n", b"8 path\n\n", b"-9 path=a\n", b"12 size=-99\n",
     b"11 size=x\n", b"1" * 4400 + b" path=a\n"],
)  # fmt: skip
def test_hostile_pax_records_end_the_reading(records: bytes) -> None:
    extended = member("pax", records, tarfile.XHDTYPE).tobuf(tarfile.GNU_FORMAT)
    data = extended + records.ljust(-(-len(records) // BLOCK) * BLOCK, b"\x00") + PLAIN
    tar = read_headers(Bytes(data))
    assert "damaged" in tar.damage or "is not a tar" in tar.damage
    assert tar.members == {}


@settings(max_examples=150)
@given(st.data())
def test_any_bytes_end(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from([PLAIN, old_sparse(2) + PLAIN])))
    for _ in range(data.draw(st.integers(1, 12))):
        content[data.draw(st.integers(0, 4 * BLOCK))] = data.draw(st.integers(0, 255))
    tar = read_headers(Bytes(bytes(content)))
    assert isinstance(tar, Contents)
    assert all(header >= 0 and size >= 0 for header, size in tar.members.values())


def test_global_pax_records_hold_for_all_and_own_ones_win() -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", pax_headers={"comment": "all"}) as tar:
        own = member("é" * 80 + ".jpg", b"x")
        tar.addfile(own, io.BytesIO(b"x"))
        tar.addfile(member("b.jpg", b"y"), io.BytesIO(b"y"))
    assert contents(made.getvalue()) == as_tarfile(made.getvalue())
