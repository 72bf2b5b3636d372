"""SpeciesNet: its results as predictions of whole images; and the list of images that it takes.

A class of SpeciesNet's is called ``uuid;class;order;family;genus;species;common name``. Here it has
its common name, as in SpeciesNet's own reports; where it has none, the name of the species, or of
the narrowest rank that is named. Two classes that would be called alike in one file have the name
of their rank behind it: ``deer (cervus)``.

Both forms of results are read: one prediction an image (to version 4), and one a detection (from
version 5 on), where the image is of the class with the best score, and `blank` only where every
detection is. The classes that the classifier named follow, as far as they have no better score: the
ensemble may have rolled them up, or set them aside. Where nothing was classified, what the detector
found is taken as MegaDetector's is.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from curate.core import paths
from curate.core.errors import InputError
from curate.core.files import write_asked
from curate.formats.exchange import Advance, Format, Incoming, Outgoing
from curate.formats.incoming import Gathered, read_json, score_of, text_of
from curate.formats.megadetector import BLANK, THRESHOLD, keep_best, listed, scores_of

_PARTS = 7
_WHOLE_IMAGE = "0"
"""The category of a detection that stands for the whole image."""


def write(outgoing: Outgoing, path: Path, copy: bool, advance: Advance) -> None:
    """Write the ``instances.json`` that ``run_model`` takes; see `formats.exchange.Write`."""
    names = [os.fsdecode(paths.from_text(text)) for text in outgoing.table["path"]]
    said = {"instances": [{"filepath": name} for name in names]}
    write_asked(path, json.dumps(said, indent=1).encode())
    advance(len(names))


def read(path: Path) -> Incoming:
    """Read results; see `formats.exchange.Read`."""
    said = read_json(path)
    if not isinstance(said, dict) or not isinstance(said.get("predictions"), list):
        raise InputError(
            str(path),
            "are no results of SpeciesNet: there is no list of predictions",
            "Give the predictions.json that run_model wrote.",
        )
    gathered = Gathered(path)
    found: list[tuple[str, str, dict[str, float]]] = []
    versions: set[str] = set()
    for number, image in enumerate(said["predictions"]):
        where = f"prediction {number + 1}"
        file = image.get("filepath") if isinstance(image, dict) else None
        if not isinstance(file, str) or not file:
            gathered.faults.append(f"{where}: no filepath")
            continue
        versions.add(text_of(image.get("model_version")))
        scores = _scores(gathered, where, image)
        if scores:
            found.append((where, listed(file), scores))
        else:
            what = ", ".join(map(str, image.get("failures") or [])) or "no result"
            gathered.failed(where, listed(file), "", f"SpeciesNet: {what}")
    names = class_names({label for _, _, scores in found for label in scores})
    for where, file, scores in found:
        best: dict[str, float] = {}
        for label, score in scores.items():
            best.setdefault(names[label], score)
        gathered.predict(where, file, "", list(best), list(best.values()))
    version = " + ".join(sorted(versions - {""}))
    return gathered.incoming(f"SpeciesNet {version}" if version else "")


def class_names(labels: set[str]) -> dict[str, str]:
    """Give each label of SpeciesNet's the name that it has as a class."""
    ranked = {label: _ranked(label) for label in labels}
    # `animal` is a class without a rank, and what the detector finds: both are the same.
    times = Counter(name for name, _ in {(_name(label), rank) for label, rank in ranked.items()})
    return {
        label: f"{name} ({ranked[label]})" if times[name] > 1 and ranked[label] else name
        for label in labels
        for name in [_name(label)]
    }


def _name(label: str) -> str:
    parts = [part.strip() for part in label.split(";")]
    return parts[-1] or _ranked(label) or parts[0]


def _ranked(label: str) -> str:
    """Give the name of the species, or of the narrowest rank that is named; '' where none is."""
    parts = [part.strip() for part in label.split(";")]
    if len(parts) != _PARTS:
        return ""
    _, *ranks, genus, species, _ = parts
    if genus and species:
        return f"{genus} {species}"
    return next((rank for rank in (genus, *reversed(ranks)) if rank), "")


def _scores(gathered: Gathered, where: str, image: Any) -> dict[str, float]:
    """Give what an image was taken for, by the labels of SpeciesNet's; nothing where it failed."""
    top = text_of(image.get("prediction"))
    score = score_of(image.get("prediction_score"))
    listed_classes = _listed(gathered, where, image.get("classifications"))
    if top and score is not None:
        return _first(top, score, listed_classes)
    if listed_classes:
        return listed_classes
    detections = image.get("detections")
    if not isinstance(detections, list):
        return {}
    judged: dict[str, float] = {}
    behind: dict[str, dict[str, float]] = {}
    for detection in detections:
        raw = _listed(gathered, where, detection.get("raw_classifications"))
        final = detection.get("processed_classification") or {}
        label, sure = text_of(final.get("class")), score_of(final.get("score"))
        if not label or sure is None:
            label, sure = next(iter(raw.items()), ("", 0.0))
        if label:
            keep_best(judged, label, sure)
            behind.setdefault(label, raw)
    animals = {label: sure for label, sure in judged.items() if _name(label) != BLANK}
    judged = animals or judged
    if not judged:
        return _detected(gathered, where, detections)
    best = max(judged, key=lambda label: judged[label])
    return _first(best, judged[best], {**behind[best], **judged})


def _first(top: str, score: float, others: dict[str, float]) -> dict[str, float]:
    rest = {label: sure for label, sure in others.items() if label != top and sure <= score}
    return {top: score, **rest}


def _listed(gathered: Gathered, where: str, said: Any) -> dict[str, float]:
    """Give classes and scores that stand in two lists."""
    if not isinstance(said, dict):
        return {}
    classes, scores = said.get("classes") or [], [score_of(s) for s in said.get("scores") or []]
    if len(classes) != len(scores) or None in scores:
        gathered.faults.append(f"{where}: classes and scores (between 0 and 1) do not fit")
        return {}
    pairs = zip(classes, scores, strict=True)
    return {str(label): score for label, score in pairs if score is not None}


def _detected(gathered: Gathered, where: str, detections: list[Any]) -> dict[str, float]:
    above: dict[str, float] = {}
    below: dict[str, float] = {}
    for detection in detections:
        if detection.get("category") == _WHOLE_IMAGE:
            continue
        label, score = text_of(detection.get("label")), score_of(detection.get("conf"))
        if not label or score is None:
            gathered.faults.append(f"{where}: a detection without a label, or without a score")
            continue
        keep_best(above if score >= THRESHOLD else below, label, score)
    return scores_of(above, below)


FORMAT = Format(
    help="SpeciesNet: a list of images for it, its results as predictions of the pool",
    place="a .json file",
    write=write,
    read=read,
)
