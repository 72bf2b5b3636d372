"""MegaDetector: its results as predictions of whole images; and the list of images that it takes.

A detector says what it found where, not what an image is. What people make of it, and so do we:

* Detections count from the threshold that the file names as typical (0.2 where it names none).
* A detection that a classifier looked at counts as the classes that it named, with their scores;
  any other as its category (animal, person, vehicle), with its own.
* Of several, each class has its best score; the image is of the class with the best of all.
* Where nothing counts, the image is `blank`, with 1 less the best score below the threshold; what
  lies below it follows, so that a narrow margin finds the images that the threshold decided.

Every version of the format from 1.0 on is read. Videos are passed by.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curate.core import paths
from curate.core.errors import InputError
from curate.core.files import write_asked
from curate.formats.exchange import Advance, Format, Incoming, Outgoing
from curate.formats.incoming import Gathered, read_json, score_of, text_of

BLANK = "blank"
THRESHOLD = 0.2
"""From which score on a detection counts, where the file does not say."""

_VIDEOS = (".mp4", ".avi", ".mpeg", ".mpg", ".mov", ".mkv", ".flv", ".asf")


def write(outgoing: Outgoing, path: Path, copy: bool, advance: Advance) -> None:
    """Write the list of files that ``run_detector_batch`` takes; see `formats.exchange.Write`."""
    names = [os.fsdecode(paths.from_text(text)) for text in outgoing.table["path"]]
    write_asked(path, json.dumps(names, indent=1).encode())
    advance(len(names))


def read(path: Path) -> Incoming:
    """Read results; see `formats.exchange.Read`."""
    said = read_json(path)
    if not isinstance(said, dict) or not isinstance(said.get("images"), list):
        raise InputError(
            str(path),
            "are no results of MegaDetector: there is no list of images",
            "Give the .json that run_detector_batch wrote.",
        )
    info: dict[str, Any] = said["info"] if isinstance(said.get("info"), dict) else {}
    gathered = Gathered(path)
    videos = 0
    for number, image in enumerate(said["images"]):
        where = f"image {number + 1}"
        file = image.get("file") if isinstance(image, dict) else None
        if not isinstance(file, str) or not file:
            gathered.faults.append(f"{where}: no file")
        elif file.lower().endswith(_VIDEOS):
            videos += 1
        else:
            _take(gathered, where, file, image, said, _threshold(info))
    if videos:
        gathered.notes.append(f"{videos:,} video{'s' * (videos > 1)} passed by")
    named = [text_of(info.get(name)) for name in ("detector", "classifier")]
    return gathered.incoming(" + ".join(filter(None, named)))


def scores_of(above: Mapping[str, float], below: Mapping[str, float]) -> dict[str, float]:
    """Give the classes of an image and their scores, the best first.

    Parameters
    ----------
    above, below : mapping of str to float
        The best score of each class that something in the image was taken for: of what counts,
        and of what lies below the threshold.
    """
    if above:
        return _sorted(above)
    blank = 1 - max(below.values(), default=0.0)
    # The best comes first, also where the threshold is so high that something is above `blank`.
    rest = {name: score for name, score in below.items() if name != BLANK and score <= blank}
    return {BLANK: blank, **_sorted(rest)}


def keep_best(found: dict[str, float], label: str, score: float) -> None:
    """Note that an image was taken for a class."""
    found[label] = max(found.get(label, 0.0), score)


def listed(text: str) -> str:
    """Write the path that another program writes as it is, as tables of ours have it."""
    # Backslashes alone are how Windows parts folders.
    text = text.replace("\\", "/") if "/" not in text else text
    return paths.to_text(os.fsencode(text))


def _sorted(scores: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(scores.items(), key=lambda pair: (-pair[1], pair[0])))


def _threshold(info: Mapping[str, Any]) -> float:
    metadata = info.get("detector_metadata")
    asked = metadata.get("typical_detection_threshold") if isinstance(metadata, dict) else None
    score = score_of(asked)
    return THRESHOLD if score is None else score


def _take(
    gathered: Gathered, where: str, file: str, image: Any, said: Any, threshold: float
) -> None:
    name, detections = listed(file), image.get("detections")
    if image.get("failure"):
        gathered.failed(where, name, "", f"MegaDetector: {image['failure']}")
        return
    if not isinstance(detections, list):
        gathered.faults.append(f"{where}: neither detections nor a failure")
        return
    above: dict[str, float] = {}
    below: dict[str, float] = {}
    for detection in detections:
        score = score_of(detection.get("conf")) if isinstance(detection, dict) else None
        if score is None:
            gathered.faults.append(f"{where}: a detection without a score between 0 and 1")
            return
        if score < threshold:
            # A category that the file does not list is no detection, says the format.
            keep_best(below, _category(said, detection), score)
            continue
        for label, sure in _classified(gathered, where, detection, said):
            keep_best(above, label, sure)
        if not detection.get("classifications"):
            keep_best(above, _category(said, detection), score)
    for found in (above, below):
        found.pop("", None)
    best = scores_of(above, below)
    gathered.predict(where, name, "", list(best), list(best.values()))


def _category(said: Any, detection: Any) -> str:
    return text_of((said.get("detection_categories") or {}).get(str(detection.get("category"))))


def _classified(
    gathered: Gathered, where: str, detection: Any, said: Any
) -> list[tuple[str, float]]:
    """Give the classes that a classifier named, and how sure it was."""
    categories = said.get("classification_categories") or {}
    found = []
    for number, sure in detection.get("classifications") or []:
        label, score = text_of(categories.get(str(number))), score_of(sure)
        if label and score is not None:
            found.append((label, score))
        else:
            gathered.faults.append(
                f"{where}: classification {[number, sure]} is of no known category, or no score"
            )
    return found


FORMAT = Format(
    help="MegaDetector: a list of images for it, its results as predictions of the pool",
    place="a .json file",
    write=write,
    read=read,
)
