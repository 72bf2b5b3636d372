"""WebDataset: tars in which all files of one name are a sample, read one after the other.

A sample is named by its image id. It has the picture, byte by byte as it lies on the disk, what is
known of it as ``.json``, and where it has a label, the number of its class as ``.cls``; the names
of the classes are the lines of ``classes.txt`` beside the tars, the first is 0.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from curate.core import paths
from curate.core.errors import FaultsError, InputError
from curate.core.files import NotReadable
from curate.core.files import read as read_picture
from curate.core.identity import image_id as id_of_bytes
from curate.core.suffixes import SUFFIXES
from curate.formats.exchange import Advance, Format, Incoming, Outgoing
from curate.formats.hf import COLUMNS, described, plain
from curate.formats.incoming import Gathered, id_of, text_of
from curate.formats.pictures import named, write_folder

NAME = "images-{:06d}.tar"
CLASSES = "classes.txt"
MOST_IMAGES = 10_000
MOST_BYTES = 1 << 30
"""A tar holds no more images, and ends after so many bytes of pictures."""

_TARS = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".tar.xz")


def write(outgoing: Outgoing, path: Path, copy: bool, advance: Advance) -> None:
    """Write tars and ``classes.txt``; see `formats.exchange.Write`. Pictures are always copied."""

    number = {name: place for place, name in enumerate(outgoing.classes)}

    def fill(folder: Path) -> None:
        faults: list[str] = []
        shard, images, size = 0, 0, 0
        with ExitStack() as opened:
            tar = opened.enter_context(_new(folder, shard))
            for row in described(outgoing.table)[["path", *COLUMNS]].to_dict("records"):
                source, key = row.pop("path"), row["image_id"]
                try:
                    data = _picture(source, key)
                    suffix = os.path.splitext(named(source, key))[1].lower()
                except NotReadable as error:
                    faults.append(f"{source}: {error}")
                    continue
                if images >= MOST_IMAGES or size >= MOST_BYTES:
                    opened.close()
                    shard, images, size = shard + 1, 0, 0
                    tar = opened.enter_context(_new(folder, shard))
                _add(tar, key + suffix, data)
                said = json.dumps(plain(row), ensure_ascii=False, sort_keys=True)
                _add(tar, f"{key}.json", said.encode())
                if row["label"] in number:
                    _add(tar, f"{key}.cls", str(number[row["label"]]).encode())
                images, size = images + 1, size + len(data)
                advance(1)
        if faults:
            raise FaultsError(
                "pictures", faults, "`curate scan` their folder and give the command again."
            )
        names = "".join(f"{name}\n" for name in outgoing.classes)
        (folder / CLASSES).write_text(names, encoding="utf-8")

    write_folder(path, fill)


def _new(folder: Path, shard: int) -> tarfile.TarFile:
    return tarfile.open(folder / NAME.format(shard), "w", format=tarfile.PAX_FORMAT)


def read(path: Path) -> Incoming:
    """Read labels from one tar or a folder of them; see `formats.exchange.Read`."""
    tars = [path] if path.is_file() else sorted(p for p in path.glob("*") if _is_tar(p))
    if not tars:
        raise InputError(str(path), "there is no tar in it", "Give a folder of tars, or one tar.")
    listed = tars[0].parent / CLASSES
    classes = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    gathered = Gathered(path)
    for tar in tars:
        for sample in _samples(tar):
            label = _label(gathered, sample, classes)
            if label:
                names = ("sub_class", "by", "was")
                more = {name: text_of(sample.said.get(name)) for name in names}
                file = sample.key + sample.suffix
                gathered.answer(sample.place, file, sample.image_id, label, **more)
    return gathered.incoming()


@dataclass
class _Sample:
    """What a tar holds of one name."""

    place: str
    key: str
    suffix: str = ""
    number: str = ""
    content: str = ""
    fault: str = ""
    said: dict[str, object] = field(default_factory=dict)

    @property
    def image_id(self) -> str:
        return id_of(self.said.get("image_id")) or id_of(self.key) or self.content


def _samples(tar: Path) -> Iterator[_Sample]:
    """Give the samples of a tar; what lies between two members of one name is another sample."""
    sample: _Sample | None = None
    try:
        with tarfile.open(tar, "r:*") as members:
            for member in members:
                if not member.isfile():
                    continue
                folder, slash, base = member.name.rpartition("/")
                stem, _, suffix = base.partition(".")
                key = folder + slash + stem
                if sample is None or sample.key != key:
                    if sample is not None:
                        yield sample
                    sample = _Sample(f"{tar.name}, {key}", key)
                _fill(sample, f".{suffix}".lower(), members, member)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(str(tar), f"is not a whole tar ({error})", "Write it again.") from error
    if sample is not None:
        yield sample


def _fill(sample: _Sample, suffix: str, members: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    opened = members.extractfile(member)
    if opened is None:
        return
    if suffix == ".json":
        try:
            said = json.loads(opened.read())
        except ValueError:
            sample.fault = "its .json is not JSON"
            return
        sample.said = said if isinstance(said, dict) else {}
    elif suffix == ".cls":
        sample.number = opened.read().decode("utf-8", "replace").strip()
    elif suffix in SUFFIXES:
        sample.suffix = suffix
        if not id_of(sample.key):
            sample.content = id_of_bytes(opened.read())


def _label(gathered: Gathered, sample: _Sample, classes: list[str]) -> str:
    """Give the label of a sample; '' for none, or where there is a fault, which is noted."""
    fault, named = sample.fault, sample.said.get("label") or ""
    by_number = ""
    if sample.number and classes:
        known = sample.number.isdecimal() and int(sample.number) < len(classes)
        by_number = classes[int(sample.number)] if known else ""
        if not known:
            fault = f"class {sample.number} is none of the {len(classes)} of {CLASSES}"
    elif sample.number and not named:
        fault = f"has the class {sample.number}, and there is no {CLASSES} beside the tar"
    if not isinstance(named, str):
        fault = f"label {named!r} is no name of a class"
    elif named and by_number and named != by_number:
        fault = f"its .json says {named!r}, its .cls {by_number!r}"
    if fault:
        gathered.faults.append(f"{sample.place}: {fault}")
        return ""
    return str(named) or by_number


def _picture(text: str, image_id: str) -> bytes:
    data = read_picture(paths.from_text(text))
    if id_of_bytes(data) != image_id:
        raise NotReadable("its content has changed since the scan")
    return data


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _is_tar(path: Path) -> bool:
    return path.name.lower().endswith(_TARS)


FORMAT = Format(
    help="WebDataset: tars of pictures with .json and .cls, for webdataset.WebDataset",
    place="a folder",
    write=write,
    read=read,
)
