"""The zoo at a glance: a table of counts and a contact sheet."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from zoo.plan import FEW, FULL, THIN, Entry

THUMB = (96, 75)
ACROSS = 7
MARGIN = 104


def counts_table(entries: list[Entry]) -> str:
    """Count the files of every class, as a Markdown table.

    Parameters
    ----------
    entries : list of Entry
        The plan of the zoo.

    Returns
    -------
    str
        One row a class: its kind, sub-classes, files that carry its label (by origin), images of
        it in the pool.
    """
    label = Counter((e.folder_label, e.origin) for e in entries if e.folder_label)
    shown = Counter(e.class_ for e in entries if e.path.startswith("pool/") and not e.junk)
    subs: dict[str, set[str]] = {}
    for entry in entries:
        if entry.sub_class and not entry.duplicate_of:
            subs.setdefault(entry.class_, set()).add(entry.sub_class)
    lines = [
        "| class | kind | sub-classes | real | staged | synthetic | in the pool |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    named = {**FULL, **THIN, **FEW}
    strangers = sorted({e.class_ for e in entries if not e.junk} - set(named))
    for name in [*named, "unknown", *strangers]:
        counts = [label[name, origin] for origin in ("real", "staged", "synthetic")]
        kind = (
            "full"
            if name in FULL
            else "thin"
            if name in THIN
            else "few real images"
            if name in FEW
            else "label"
            if name == "unknown"
            else "not in the library"
        )
        lines.append(
            f"| {name} | {kind} | {', '.join(sorted(subs.get(name, ())))} | "
            + " | ".join(str(n) for n in counts)
            + f" | {shown[name]} |"
        )
    junk = Counter(e.junk for e in entries if e.junk)
    lines += [
        "",
        "Junk in the pool: "
        + ", ".join(f"{n} {k}" for k, n in sorted(junk.items()))
        + f". Files in all: {len(entries)}.",
    ]
    return "\n".join(lines)


def sheet_rows(entries: list[Entry]) -> dict[str, list[str]]:
    """Choose the pictures of the contact sheet.

    Parameters
    ----------
    entries : list of Entry
        The plan of the zoo.

    Returns
    -------
    dict of str to list of str
        The title of each row and the paths of its pictures.
    """
    rows: dict[str, list[str]] = {}
    for name in sorted({**FULL, **THIN, **FEW}):
        rows[name] = [
            e.path
            for e in entries
            if e.folder_label == name
            and e.origin == "real"
            and e.class_ == name
            and not e.duplicate_of
            and not _later(e)
        ]
    rows["unknown"] = [e.path for e in entries if e.folder_label == "unknown"]
    new = [e.path for e in entries if e.class_ in ("ostrich", "rhinoceros") and not _later(e)]
    rows["new in the pool"] = new
    for origin in ("staged", "synthetic"):
        rows[origin] = [e.path for e in entries if e.origin == origin]
    rows["a burst"] = [e.path for e in entries if e.burst.startswith("library-kangaroo-adult")]
    rows["a burst"] += [e.path for e in entries if e.burst.startswith("library-bear")]
    junk = [
        [e.path for e in entries if e.junk == kind]
        for kind in ("empty", "blurred", "dark", "blank")
    ]
    rows["junk"] = [path for four in zip(*junk, strict=False) for path in four]
    return {title: _spread(paths) for title, paths in rows.items()}


def _later(entry: Entry) -> bool:
    return entry.shot is not None and entry.shot.frame > 0


def _spread(paths: list[str]) -> list[str]:
    if len(paths) <= ACROSS:
        return paths
    return [paths[k * len(paths) // ACROSS] for k in range(ACROSS)]


def contact_sheet(rows: dict[str, list[str]], folder: Path) -> Image.Image:
    """Lay pictures out in titled rows.

    Parameters
    ----------
    rows : dict of str to list of str
        Titles, and paths under ``folder``.
    folder : Path
        Where the zoo lies.

    Returns
    -------
    PIL.Image.Image
    """
    w, h = THUMB
    sheet = Image.new("RGB", (MARGIN + ACROSS * (w + 2), len(rows) * (h + 2)), (250, 247, 240))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for j, (title, paths) in enumerate(rows.items()):
        draw.text((6, j * (h + 2) + h / 2), title, fill=(70, 60, 54), font=font, anchor="lm")
        for k, path in enumerate(paths):
            with Image.open(folder / path) as picture:
                thumb = _fit(picture.convert("RGB"))
            sheet.paste(thumb, (MARGIN + k * (w + 2), j * (h + 2)))
    return sheet


def _fit(picture: Image.Image) -> Image.Image:
    """Scale a picture into a thumb, a portrait one between paper margins."""
    picture.thumbnail(THUMB, Image.Resampling.LANCZOS)
    thumb = Image.new("RGB", THUMB, (250, 247, 240))
    thumb.paste(picture, ((THUMB[0] - picture.width) // 2, (THUMB[1] - picture.height) // 2))
    return thumb
