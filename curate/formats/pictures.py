"""Folders that hold pictures: written whole or not at all, and every picture under its own name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from curate.core import paths, urls
from curate.core.errors import FaultsError, InputError
from curate.core.files import NotReadable, describe, read, sync_folder
from curate.core.identity import image_id as id_of
from curate.core.suffixes import SUFFIXES
from curate.formats.exchange import Advance
from curate.formats.layout import file_name


def write_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Write a folder that is new or empty; it is there whole or not at all.

    Parameters
    ----------
    folder : Path
        Where; the folder that it lies in must exist.
    write : callable
        Gets an empty folder beside it and fills that.

    Raises
    ------
    InputError
        Something is there already, or it cannot be written.
    """
    part = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(str(folder), "is there already", "Give a folder that is new or empty.")
        part.mkdir()
        try:
            write(part)
            os.sync()  # the name must not outlive what is in it
            part.replace(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        sync_folder(folder.parent)
    except OSError as error:
        raise InputError(
            str(folder), f"cannot be written: {describe(error)}", "Give a folder that can be."
        ) from error


def place(
    table: pd.DataFrame, folder: Path, copy: bool, advance: Advance, *, without: str = ""
) -> list[str]:
    """Put the picture of every row into a folder, as a link or a copy.

    Parameters
    ----------
    table : DataFrame
        image_id and path (text); one row an image.
    folder : Path
        Is there, and empty.
    copy : bool
        Copies; otherwise links. What lies at a URL or in an archive is always copied.
    advance : callable
        Told how many images were just written.
    without : str
        Characters that the other tool does not read in names; they become ``_``.

    Returns
    -------
    list of str
        The name of each picture; the image id is in it, so that no two are alike.

    Raises
    ------
    FaultsError
        With every picture that is not there, or that has changed since the scan.
    """
    made, faults = [], []
    safe = str.maketrans(dict.fromkeys(without, "_"))
    for text, image_id in zip(table["path"], table["image_id"], strict=True):
        name = ""
        try:
            name = named(text, image_id).translate(safe)
            _put(paths.from_text(text), image_id, folder / name, copy)
        except (NotReadable, OSError) as error:
            why = describe(error) if isinstance(error, OSError) else str(error)
            faults.append(f"{text}: {why}")
        made.append(name)
        advance(1)
    if faults:
        raise FaultsError(
            "pictures", faults, "`curate scan` their folder and give the command again."
        )
    return made


def named(text: str, image_id: str) -> str:
    """Give the name of a picture with its image id, and with the suffix that it is known by.

    Where the name says nothing of the format, the picture does: other tools pass by what has no
    suffix, or take what stands behind another dot for one.

    Raises
    ------
    NotReadable
        It has no suffix and cannot be read.
    """
    source = paths.from_text(text)
    if os.path.splitext(urls.shown(source))[1].decode("ascii", "replace").lower() in SUFFIXES:
        return file_name(text, image_id)
    # Here, as opening pictures takes their packages along.
    from curate.core.images import NotAnImage, open_picture

    try:
        return file_name(text, image_id, open_picture(read(source)).format)
    except NotAnImage as error:
        raise NotReadable(str(error)) from error


def _put(source: bytes, image_id: str, target: Path, copy: bool) -> None:
    elsewhere = paths.scheme_of(source) or paths.parted(source)[1]
    if not copy and not elsewhere:
        os.stat(source)  # a link to nothing would be found by the other tool only
        target.symlink_to(os.fsdecode(source))
        return
    data = read(source)
    if id_of(data) != image_id:
        raise NotReadable("its content has changed since the scan")
    target.write_bytes(data)
