"""Label Studio: tasks with predictions and the labelling interface; its exports come back.

A picture on a disk is named ``/data/local-files/?d=`` with its whole path, for a Label Studio whose
document root is ``/``; a URL (http, s3, gs) stays as it is. The image id goes along in the task's
data, which every export repeats.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, unquote_to_bytes

import pandas as pd

from curate.core import paths
from curate.core.chunks import batched
from curate.core.errors import FaultsError, InputError
from curate.core.files import write_asked, write_asked_by
from curate.core.names import REJECTED, UNKNOWN
from curate.core.suffixes import SUFFIXES
from curate.formats import markup
from curate.formats.exchange import Advance, Format, Incoming, Outgoing, as_was
from curate.formats.incoming import Gathered, id_of, read_json, text_of
from curate.formats.pictures import write_folder
from curate.formats.tables import read_plain_rows

CONFIG = "config.xml"
QUESTION = "choice"
"""The name of the question, as in Label Studio's own template for image classification."""

TASKS = 50_000
"""Tasks in one file: Label Studio takes 250,000, and 200 MB, at a time."""

_LOCAL = "/data/local-files/?d="
_UPLOADED = re.compile(r"/data/upload/(?:\d+/)?(?:[0-9a-f]{8}-)?([^/]+)$")

_Told = tuple[str, Mapping[str, Any], str, list[str]]
"""Place, data of the task, annotator, choices."""


def write(outgoing: Outgoing, folder: Path, copy: bool, advance: Advance) -> None:
    """Write a folder with `CONFIG` and the tasks, in files of `TASKS`.

    Labels are annotations, what the model says are predictions. The interface offers all classes,
    *unknown* and *rejected*. No pictures are copied.

    Raises
    ------
    FaultsError
        A picture lies in an archive, where Label Studio cannot show it; or a class has a character
        that XML cannot hold.
    InputError
        The folder is not new or empty, or cannot be written.
    """
    classes = list(dict.fromkeys([*outgoing.classes, UNKNOWN, REJECTED]))
    markup.check("classes", classes)
    inside = [path for path in outgoing.table["path"] if paths.parted(paths.from_text(path))[1]]
    if inside:
        raise FaultsError(
            "Label Studio",
            [f"{path}: lies in an archive, where it cannot be shown" for path in inside],
            "Unpack them and `curate scan` the folder, or write another format.",
        )

    def fill(part: Path) -> None:
        write_asked(part / CONFIG, _config(classes).encode())
        rows = outgoing.table.itertuples(index=False)
        for number, some in enumerate(batched(rows, TASKS)):
            _write_tasks(part / f"tasks-{number:03d}.json", some, outgoing.model)
            advance(len(some))

    write_folder(folder, fill)


def read(path: Path) -> Incoming:
    """Read answers from an export: JSON, JSON_MIN or CSV; or the folder that was written.

    Annotations that were cancelled (skipped) or have no choice are no answers. Where several people
    answered, each answer is a row. JSON may have the question under any name where it is the only
    one; JSON_MIN and CSV, which do not say what is a question, under `QUESTION`.

    Raises
    ------
    InputError
        It cannot be read, or is none of these.
    FaultsError
        With every task at fault.
    """
    gathered = Gathered(path)
    if path.is_dir():
        tasks = [task for file in sorted(path.glob("tasks-*.json")) for task in _tasks(file)]
    else:
        tasks = _rows(path) if path.suffix.lower() == ".csv" else _tasks(path)
    told = _told(tasks, gathered)
    for place, data, by, choices in told:
        if len(choices) > 1:
            gathered.faults.append(
                f"{place}: has {len(choices)} choices ({', '.join(map(repr, choices))}); "
                "an image has one class"
            )
        elif choices:
            _answer(gathered, place, data, choices[0], by)
    return gathered.incoming()


def _config(classes: Sequence[str]) -> str:
    choices = "".join(f"    <Choice value={markup.attribute(name)}/>\n" for name in classes)
    return (
        "<View>\n"
        '  <Image name="image" value="$image"/>\n'
        f'  <Filter name="filter" toName="{QUESTION}" minlength="0" placeholder="Find a class"/>\n'
        f'  <Choices name="{QUESTION}" toName="image" choice="single" showInline="true">\n'
        f"{choices}  </Choices>\n"
        "</View>\n"
    )


def _write_tasks(path: Path, rows: Sequence[Any], model: str) -> None:
    def lines(file: IO[bytes]) -> None:
        for number, row in enumerate(rows):
            file.write(b"[\n" if number == 0 else b",\n")
            file.write(json.dumps(_task(row, model)).encode())
        file.write(b"\n]\n")

    write_asked_by(path, lines)


def _task(row: Any, model: str) -> dict[str, Any]:
    texts = ("image_id", "label", "sub_class", "predicted", "reason")
    data: dict[str, Any] = {"image": _url(row.path)}
    data |= {name: str(getattr(row, name)) for name in texts}
    task: dict[str, Any] = {"data": data}
    if row.predicted:
        score = None if pd.isna(row.score) else float(row.score)
        data["score"] = score
        region = _region(row.image_id, "predicted", row.predicted)
        task["predictions"] = [{"model_version": model, "score": score, "result": [region]}]
    if row.label:
        region = _region(row.image_id, "label", row.label)
        task["annotations"] = [{"result": [region], "was_cancelled": False, "ground_truth": False}]
    return task


def _region(image_id: str, kind: str, label: str) -> dict[str, Any]:
    return {
        "id": f"{image_id}-{kind}",
        "type": "choices",
        "from_name": QUESTION,
        "to_name": "image",
        "value": {"choices": [label]},
    }


def _url(path: str) -> str:
    raw = paths.from_text(path)
    return path if paths.scheme_of(raw) else _LOCAL + quote(raw.lstrip(b"/"))


def _file(url: str, ours: bool) -> str:
    """Give the path that a URL of Label Studio stands for, as far as it says so."""
    _, is_local, rest = url.partition(_LOCAL)
    if is_local:
        path = paths.to_text(unquote_to_bytes(rest.partition("&")[0]))
        return f"/{path}" if ours else path
    uploaded = _UPLOADED.search(url)
    return paths.to_text(unquote_to_bytes(uploaded[1])) if uploaded else url


def _tasks(path: Path) -> list[Any]:
    content = read_json(path)
    tasks = content if isinstance(content, list) else [content]
    if not all(isinstance(task, dict) for task in tasks):
        raise InputError(
            str(path),
            "is not a list of tasks",
            "Export as JSON, JSON_MIN or CSV from Label Studio.",
        )
    return tasks


def _rows(path: Path) -> list[Any]:
    """The rows of a CSV, as JSON_MIN would give them."""
    records = read_plain_rows(path)
    _, header = next(records, (1, []))
    rows, faults = [], []
    for line, cells in records:
        if len(cells) != len(header):
            faults.append(f"line {line}: {len(cells)} cells, {len(header)} columns")
        rows.append({**dict(zip(header, cells, strict=False)), "": f"line {line}"})
    if faults:
        raise FaultsError(str(path), faults, "Export it again.")
    if QUESTION not in header:
        raise _no_question(path, header)
    return rows


def _told(tasks: Sequence[dict[str, Any]], gathered: Gathered) -> list[_Told]:
    whole = [task for task in tasks if isinstance(task.get("data"), dict)]
    if len(whole) == len(tasks):
        return list(_annotated(whole, _question(whole, gathered), gathered))
    if not any(QUESTION in task for task in tasks):
        raise _no_question(gathered.source, sorted({name for task in tasks for name in task}))
    return list(_flat(tasks, gathered))


def _question(tasks: Sequence[dict[str, Any]], gathered: Gathered) -> str:
    """Name the question that is about the class."""
    found = Counter(
        text_of(region.get("from_name"))
        for task in tasks
        for annotation in _list(task, "annotations")
        for region in _list(annotation, "result")
        if region.get("type") == "choices"
    )
    if QUESTION in found or len(found) < 2:
        return QUESTION if QUESTION in found else next(iter(found), QUESTION)
    raise InputError(
        str(gathered.source),
        f"asks {len(found)} questions with choices ({', '.join(sorted(found))})",
        f"Name the one about the class {QUESTION!r} in Label Studio, or keep it alone.",
    )


def _annotated(
    tasks: Sequence[dict[str, Any]], question: str, gathered: Gathered
) -> Iterator[_Told]:
    cancelled = 0
    for number, task in enumerate(tasks, 1):
        place = f"task {text_of(task.get('id')) or number}"
        for annotation in _list(task, "annotations"):
            if annotation.get("was_cancelled") or annotation.get("skipped"):
                cancelled += 1
                continue
            regions = [
                region
                for region in _list(annotation, "result")
                if region.get("type") == "choices" and region.get("from_name") == question
            ]
            choices = [_choices(region.get("value")) for region in regions]
            if None in choices:
                gathered.faults.append(f"{place}: has an answer without a list of choices")
            said = dict.fromkeys(choice for some in choices for choice in some or [])
            yield place, task["data"], _person(annotation.get("completed_by")), list(said)
    if cancelled:
        gathered.notes.append(f"cancelled annotations are no answers: {cancelled:,}")


def _flat(tasks: Sequence[dict[str, Any]], gathered: Gathered) -> Iterator[_Told]:
    for number, task in enumerate(tasks, 1):
        place = task.get("") or f"task {text_of(task.get('id')) or number}"
        choices = _pretty(task.get(QUESTION))
        if choices is None:
            gathered.faults.append(f"{place}: {QUESTION} {task[QUESTION]!r} is no choice")
        yield place, task, _person(task.get("annotator")), choices or []


def _pretty(value: object) -> list[str] | None:
    """Undo what Label Studio makes of choices for people: one is a text, several an object."""
    if value is None or value == "":
        return []
    if isinstance(value, str) and not value.startswith(('{"choices"', '[{"choices"')):
        return [value]
    try:
        parsed = json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        return [str(value)]
    some = parsed if isinstance(parsed, list) else [parsed]
    choices = [[one] if isinstance(one, str) else _choices(one) for one in some]
    if None in choices:
        return None
    return list(dict.fromkeys(choice for one in choices for choice in one or []))


def _choices(value: object) -> list[str] | None:
    choices = value.get("choices") if isinstance(value, dict) else None
    if isinstance(choices, list) and all(isinstance(choice, str) for choice in choices):
        return choices
    return None


def _answer(gathered: Gathered, place: str, data: Mapping[str, Any], label: str, by: str) -> None:
    image_id = id_of(data.get("image_id"))
    file = _file(_image(data), bool(image_id))
    if not image_id and not file:
        gathered.faults.append(f"{place}: names no image")
        return
    sub_class = text_of(data.get("sub_class")) if image_id else ""
    was = as_was(text_of(data.get("label")), sub_class) if image_id else ""
    gathered.answer(place, file, image_id, label, sub_class, by=by, was=was)


def _image(data: Mapping[str, Any]) -> str:
    """Give the URL of the picture: `image`, or else the first that looks like one."""
    texts = {name: value for name, value in data.items() if isinstance(value, str)}
    return texts.get("image") or next(filter(_shows, texts.values()), "")


def _shows(text: str) -> bool:
    return _file(text, False).partition("?")[0].lower().endswith(tuple(SUFFIXES))


def _person(who: object) -> str:
    if isinstance(who, dict):
        return text_of(who.get("email")) or text_of(who.get("id"))
    return text_of(who)


def _list(owner: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Give what an export has in lists; some have ids or null in the place of what was left out."""
    value = owner.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _no_question(path: Path, found: Sequence[str]) -> InputError:
    return InputError(
        str(path),
        f"has no {QUESTION!r}, only {', '.join(found)}",
        "Export as JSON from Label Studio: that says which of them are questions.",
    )


FORMAT = Format(
    help="Label Studio: tasks with predictions and the labelling interface; reads its exports",
    place="a folder",
    write=write,
    read=read,
)
