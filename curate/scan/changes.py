"""Which files a scan has to read: from what was known and what was found."""

from __future__ import annotations

from collections.abc import Collection

from curate.core.files import FileEntry
from curate.engine import may_pass_later
from curate.store.files import FileRow


def needs_look(entry: FileEntry, known: FileRow | None, looked: Collection[str]) -> bool:
    """Whether a file is new, changed, or was never looked at to the end.

    Parameters
    ----------
    entry : FileEntry
        The file as it lies there.
    known : FileRow or None
        What the library knows of this path.
    looked : collection of str
        Ids of the images whose hashes and thumbnail are kept.
    """
    if known is None or known.status == "gone" or known.changed(entry):
        return True
    if known.status == "failed":
        return may_pass_later(known.reason)
    return known.image_id not in looked
