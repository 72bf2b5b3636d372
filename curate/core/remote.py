"""Files at URLs, through fsspec: the only import of it, made when the first URL is met.

Reading is one request a file. `prefetching` has the next ones under way while the first is decoded.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from curate.core import paths, urls
from curate.core.errors import InputError
from curate.core.files import MAX_BYTES, FileEntry, NotReadable, Walked, describe
from curate.core.identity import ID_LENGTH

GONE = "no such file or directory"
"""What is said of a URL where nothing is."""

AT_ONCE = 16
"""Requests that are under way at a time."""

PART = 8 << 20
"""Bytes of a file that are asked for ahead; a larger one's rest waits until it is read."""

STRIDE = 4 << 20
"""Bytes of an archive that are read for its headers at a time: a request costs as much as these."""

_ASKED_AT_ONCE = 64
_LONGEST = 200
_PATIENCE = 60.0
_SLOWEST = 100_000
"""Bytes a second; a line that sends fewer is taken for a broken one."""
_CHANGED = ("LastModified", "last_modified", "updated", "mtime", "created")
_TAG = ("ETag", "etag", "md5Hash")
_EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)

Span = tuple[bytes, int, int]
"""A URL, a start, and the end of the bytes that are asked for."""


def require(url: bytes, *, kept: bool = True) -> None:
    """Raise `InputError` where a URL that a person gave cannot be opened, or nothing is there.

    Parameters
    ----------
    url : bytes
        The URL.
    kept : bool
        Whether it is written down with what is found there, as those of images are.
    """
    text = paths.to_text(urls.shown(url))
    fault = urls.checked(url) if kept else urls.fault_of(url)
    if fault:
        raise InputError(
            text,
            fault,
            "Give one plain URL of a known scheme; credentials come from the environment.",
        )
    scheme = paths.scheme_of(url)
    try:
        _opened(url)
    except ImportError as error:
        raise InputError(
            text,
            f"{scheme}:// needs a package that is not there ({first_line(error)})",
            f"Install it: {urls.SCHEMES[scheme]}.",
        ) from error
    except Exception as error:  # the packages raise what they like where settings are wrong
        raise InputError(
            text, f"cannot be opened: {first_line(error)}", "Mend its settings."
        ) from error


def read(url: bytes) -> bytes:
    """Read a file at a URL.

    Raises
    ------
    NotReadable
        Nothing is there, it is too large, or the server refuses.
    """
    start = _fetched((url, 0, PART))
    if len(start) < PART:
        return start
    size = status(url).bytes
    if size > MAX_BYTES:
        raise NotReadable(f"{size:,} bytes, over the limit of {MAX_BYTES:,}")
    if len(start) < size:
        start += _fetched((url, len(start), size))
    if len(start) != size:
        raise NotReadable(f"{len(start):,} bytes came, and {size:,} are there")
    return start


def status(url: bytes) -> FileEntry:
    """Ask for the size and the state of a file at a URL.

    Raises
    ------
    NotReadable
        Nothing is there, or the server refuses.
    """
    return _status(url, _asked(url, "info").result())


def statuses(urls: Iterable[bytes]) -> Iterator[FileEntry]:
    """Ask for the state of many files, some at a time, in their order.

    One that cannot be asked for is all zeros: reading it will say why.
    """
    waiting: deque[tuple[bytes, _Answer]] = deque()
    for url in urls:
        waiting.append((url, _asked(url, "info")))
        if len(waiting) == _ASKED_AT_ONCE:
            yield _status_or_zeros(*waiting.popleft())
    while waiting:
        yield _status_or_zeros(*waiting.popleft())


def is_folder(url: bytes) -> bool:
    """Whether files lie under a URL, which is then no file itself.

    Raises
    ------
    NotReadable
        Nothing is there, or the server refuses.
    """
    return bool(_asked(url, "info").result()["type"] == "directory")


def children(folder: bytes, passed: Walked) -> tuple[list[bytes], list[FileEntry]]:
    """List one folder of a bucket: the folders in it, and the files.

    Parameters
    ----------
    folder : bytes
        A URL without a slash at its end.
    passed : Walked
        Filled with what cannot be listed.
    """
    try:
        found = _asked(folder, "ls", detail=True).result()
    except NotReadable as error:
        passed.failed.append((folder, str(error)))
        return [], []
    folders, files = set[bytes](), list[FileEntry]()
    for info in found:
        url = _url(folder, info["name"])
        name = url[len(folder) + 1 :]
        if info["type"] != "directory":
            # The key that is the folder itself, empty, is how some programs make one.
            if name and not name.endswith(b"/"):
                files.append(_status(url, info))
        elif not name or b"/" in name:
            why = "keys with two slashes cannot be told from members of archives"
            passed.failed.append((folder + b"/", why))
        else:
            folders.add(url)
    return sorted(folders), files


@contextmanager
def prefetching(names: Sequence[bytes]) -> Iterator[None]:
    """Have files under way while others are worked on; `files.read` takes them as they are met.

    For a worker: ``with prefetching(chunk): for path in chunk: ...``. Paths on a disk cost nothing
    here. At most `AT_ONCE` requests of `PART` bytes are under way or waiting to be taken.

    Parameters
    ----------
    names : sequence of bytes
        Paths, in the order in which they will be read.
    """
    spans = [span for name in names if paths.scheme_of(name) and (span := _span(name))]
    token = _ahead.set(_Ahead(spans) if spans else None)
    try:
        yield
    finally:
        ahead = _ahead.get()
        _ahead.reset(token)
        if ahead:
            ahead.close()


def put(source: str, url: bytes) -> None:
    """Write a file of this machine to a URL, and see that it arrived whole.

    Raises
    ------
    NotReadable
        The server refuses, or what lies there afterwards is not what was sent.
    """
    if urls.is_web(url):
        raise NotReadable("a web server only gives files")
    size = os.path.getsize(source)
    _asked(url, "put_file", source).result(_PATIENCE + size / _SLOWEST)
    info = _asked(url, "info").result()
    there = info.get("size") or 0
    if there != size:
        raise NotReadable(f"{there:,} bytes arrived of {size:,}")
    tag = str(next((info[key] for key in _TAG if info.get(key)), "")).strip('"')
    with open(source, "rb") as file:
        sent = hashlib.file_digest(file, _md5).hexdigest()
    # The tag of a file that was sent in parts, or is kept encrypted, is not its digest.
    if tag != sent and _digest_at(url, size) != sent:
        raise NotReadable("what arrived is not what was sent")


def fetch(url: bytes, target: str) -> None:
    """Bring a file at a URL to this machine, however large: it is never held whole.

    Raises
    ------
    NotReadable
        Nothing is there, the server refuses, the disk is full, or it did not arrive whole.
    """
    size = status(url).bytes
    _asked(url, "get_file", lpath=target).result(_PATIENCE + size / _SLOWEST)
    came = os.path.getsize(target)
    # A web server need not say how much it sends.
    if size and came != size:
        raise NotReadable(f"{came:,} bytes came, and {size:,} are there")


def image_of(url: bytes) -> str:
    """Give the image id of the content at a URL, read a part at a time.

    Raises
    ------
    NotReadable
        Nothing is there, or the server refuses.
    """
    size = status(url).bytes
    digest = hashlib.sha256()
    for start in range(0, size, PART):
        digest.update(_fetched((url, start, min(start + PART, size))))
    return digest.hexdigest()[:ID_LENGTH]


def is_there(url: bytes) -> bool:
    """Whether something lies at a URL; NotReadable where the server does not say."""
    try:
        status(url)
    except NotReadable as error:
        if str(error) == GONE:
            return False
        raise
    return True


def copy(url: bytes, new: bytes) -> None:
    """Have the server copy a file, over whatever lies at the new URL.

    Raises
    ------
    NotReadable
        The server refuses.
    """
    try:
        place = _opened(url)[1]
    except Exception as error:  # as in `_Answer.result`
        raise NotReadable(_said(error)) from error
    size = status(url).bytes
    _asked(new, "cp_file", place).result(_PATIENCE + size / _SLOWEST)


def delete(url: bytes) -> None:
    """Have the server delete a file.

    Raises
    ------
    NotReadable
        The server refuses.
    """
    _asked(url, "rm_file").result()


def _digest_at(url: bytes, size: int) -> str:
    digest = _md5()
    for start in range(0, size, PART):
        digest.update(_fetched((url, start, min(start + PART, size))))
    return digest.hexdigest()


_md5 = partial(hashlib.md5, usedforsecurity=False)


class Ranges:
    """An archive at a URL, read by ranges."""

    stride = STRIDE

    def __init__(self, url: bytes, size: int) -> None:
        self.url = url
        self.size = size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read so many bytes from there on; fewer where it ends."""
        end = min(offset + length, self.size)
        return _fetched((self.url, offset, end)) if offset < end else b""


class _Answer:
    """What a request will bring; errors of every package become `NotReadable`."""

    def __init__(self, future: Future[Any]) -> None:
        self.future = future

    def result(self, patience: float = _PATIENCE) -> Any:
        try:
            return self.future.result(patience)
        except (MemoryError, NotReadable):
            raise
        except FutureTimeout as error:
            raise NotReadable(f"no answer within {patience:.0f} seconds") from error
        except Exception as error:  # each package has errors of its own
            raise NotReadable(_said(error)) from error


class _Ahead:
    """Requests that are under way before they are asked for."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self.waiting = deque(spans)
        self.flying: dict[Span, _Answer] = {}
        self._fill()

    def take(self, span: Span) -> _Answer | None:
        """Give the answer to a request that is under way, and send further ones."""
        if span not in self.flying:
            return None
        for older in list(self.flying):
            answer = self.flying.pop(older)
            if older == span:
                break
            # It was passed by: its file failed before it was read.
            answer.future.cancel()
        self._fill()
        return answer

    def close(self) -> None:
        """Give up what was not taken."""
        for answer in self.flying.values():
            answer.future.cancel()

    def _fill(self) -> None:
        while self.waiting and len(self.flying) < AT_ONCE:
            span = self.waiting.popleft()
            self.flying[span] = _asked_for(span)


_ahead: ContextVar[_Ahead | None] = ContextVar("ahead", default=None)


def _span(name: bytes) -> Span | None:
    """Give what reading a path will ask for first; None where that is too much to hold."""
    if not paths.parted(name)[1]:
        return (name, 0, PART)
    # Archives stand on this module.
    from curate.core import archives

    try:
        url, start, end = archives.span(name)
    except NotReadable:
        return None
    return (url, start, end) if start < end <= start + PART else None


def _fetched(span: Span) -> bytes:
    ahead = _ahead.get()
    answer = (ahead and ahead.take(span)) or _asked_for(span)
    try:
        data: bytes = answer.result()
    except NotReadable:
        # No range of an empty file can be asked for.
        if span[1] == 0 and _is_empty(span[0]):
            return b""
        raise
    return data


def _asked_for(span: Span) -> _Answer:
    url, start, end = span
    return _asked(url, "cat_file", start=start, end=end)


def _asked(url: bytes, method: str, *before: Any, **arguments: Any) -> _Answer:
    """Send a request; packages that cannot wait for several at a time answer it at once.

    `before` are arguments that stand before the place.
    """
    try:
        system, place = _opened(url)
        if system.async_impl:
            coroutine = getattr(system, f"_{method}")(*before, place, **arguments)
            return _Answer(asyncio.run_coroutine_threadsafe(coroutine, system.loop))
        future: Future[Any] = Future()
        future.set_result(getattr(system, method)(*before, place, **arguments))
    except Exception as error:  # as in `_Answer.result`
        future = Future()
        future.set_exception(error)
    return _Answer(future)


def _opened(url: bytes) -> tuple[Any, str]:
    """Give the file system of a URL (fsspec keeps one for each kind) and the place in it."""
    fault = urls.fault_of(url)
    if fault:
        raise NotReadable(fault)
    from fsspec.core import url_to_fs

    # A cache of listings would grow with the bucket, and hide what has changed.
    system, place = url_to_fs(url.decode(), use_listings_cache=False)
    return system, place


def _url(folder: bytes, name: str) -> bytes:
    scheme = folder.partition(b"://")[0]
    return scheme + b"://" + name.encode().lstrip(b"/")


def _status(url: bytes, info: Mapping[str, Any]) -> FileEntry:
    if info.get("type") == "directory":
        raise NotReadable("is a folder")
    changed = next((info[key] for key in _CHANGED if info.get(key)), None)
    tag = next((str(info[key]) for key in _TAG if info.get(key)), "")
    digest = int.from_bytes(hashlib.sha256(tag.encode()).digest()[:8]) >> 1 if tag else 0
    return FileEntry(url, info.get("size") or 0, _nanoseconds(changed), digest)


def _nanoseconds(moment: object) -> int:
    """Bring a moment, as any package gives it, to nanoseconds since 1970; 0 where there is none."""
    if isinstance(moment, str):
        try:
            moment = _parsed(moment)
        except ValueError:
            return 0
    if isinstance(moment, datetime.datetime):
        aware = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
        return (aware - _EPOCH) // datetime.timedelta(microseconds=1) * 1000
    return int(moment * 1_000_000_000) if isinstance(moment, int | float) else 0


def _parsed(text: str) -> datetime.datetime:
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        return parsedate_to_datetime(text)


def _status_or_zeros(url: bytes, answer: _Answer) -> FileEntry:
    try:
        return _status(url, answer.result())
    except NotReadable:
        return FileEntry(url, 0, 0, 0)


def _is_empty(url: bytes) -> bool:
    try:
        return status(url).bytes == 0
    except NotReadable:
        return False


def _said(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return GONE
    if isinstance(error, PermissionError):
        return "permission denied"
    if isinstance(error, OSError) and error.strerror:
        return describe(error)[:_LONGEST]
    return f"{type(error).__name__}: {first_line(error)}"


def first_line(error: BaseException) -> str:
    """Give the first line of what an error says, without signatures, not too long for a row."""
    line = next(iter(str(error).splitlines()), type(error).__name__)
    return urls.unsigned(line)[:_LONGEST]
