"""Images that are looked at for one question, and not written down anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from curate import engine
from curate.core import paths
from curate.core.files import FileEntry, Walked
from curate.core.hashes import HASHES
from curate.core.look import Look
from curate.duplicates.fingerprints import Fingerprints, fingerprints, joined
from curate.duplicates.pictures import shown
from curate.duplicates.verify import Parts

_HASHED = 2_000
_NOTHING = {"usable": True, "label": None, "origin": "real", "split": ""}


@dataclass(frozen=True)
class Looked:
    """Images and what is needed to compare them.

    Attributes
    ----------
    files : DataFrame
        One row a file that can be read: image_id, path (text).
    images : DataFrame
        One row an image: image_id, label, origin, split, taken, bytes, width, height, quality,
        camera, latitude, longitude, and the hashes of `core.hashes.HASHES`.
    failures : DataFrame
        One row a file or folder that cannot: path, reason.
    prints : Fingerprints
        Of all images.
    thumbnails : dict of str to bytes
        JPEG by image id.
    symmetries : sequence of str
        Under which copies are looked for.
    """

    files: pd.DataFrame
    images: pd.DataFrame
    failures: pd.DataFrame
    prints: Fingerprints
    thumbnails: dict[str, bytes]
    symmetries: Sequence[str]

    def fetch(self, image_ids: Sequence[str]) -> Parts:
        """Give the parts of images."""
        there = [image_id for image_id in image_ids if image_id in self.thumbnails]
        return shown({image_id: self.thumbnails[image_id] for image_id in there}, self.symmetries)


def look_at(
    entries: Sequence[FileEntry],
    symmetries: Sequence[str],
    backend: str = "processes",
    passed: Walked | None = None,
) -> Looked:
    """Look at files, each once.

    Parameters
    ----------
    entries : sequence of FileEntry
        What `core.files.listed` gives.
    symmetries : sequence of str
        Of `pictures.SYMMETRIES`.
    backend : str
        One of `engine.BACKENDS`.
    passed : Walked, optional
        What the walk that met the files could not see: failures too.
    """
    work = engine.Work("curate.core.look:seen", together="curate.core.look:finished")
    workers = min(engine.available_cores(), max(1, len(entries)))
    outcomes = engine.backend(backend)(entries, work, workers, engine.Limits())
    files, looks = [], dict[str, Look]()
    failures = [(paths.to_text(path), reason) for path, reason in passed.failed] if passed else []
    prints, waiting = list[Fingerprints](), dict[str, bytes]()
    with engine.progress("Looking", len(entries)) as advance:
        for outcome in outcomes:
            path = paths.to_text(outcome.entry.path)
            if outcome.value is None:
                failures.append((path, outcome.reason))
            else:
                image_id = outcome.value.content.image_id
                files.append((image_id, path))
                if image_id not in looks:
                    looks[image_id] = outcome.value
                    waiting[image_id] = outcome.value.thumbnail
            if len(waiting) == _HASHED:
                prints.append(fingerprints(shown(waiting, symmetries)))
                waiting = {}
            advance(1, f"{len(failures)} failed" if failures else "")
    prints.append(fingerprints(shown(waiting, symmetries)))
    return Looked(
        pd.DataFrame(files, columns=["image_id", "path"]).sort_values("path", ignore_index=True),
        _images([looks[image_id] for image_id in sorted(looks)]),
        pd.DataFrame(failures, columns=["path", "reason"]).sort_values("path", ignore_index=True),
        joined(prints),
        {image_id: look.thumbnail for image_id, look in looks.items()},
        symmetries,
    )


_COLUMNS = [
    "image_id", "bytes", "width", "height", "taken", "quality", "camera", "latitude", "longitude",
    *HASHES, *_NOTHING,
]  # fmt: skip


def _images(looks: Sequence[Look]) -> pd.DataFrame:
    table = pd.DataFrame([_row(look) for look in looks], columns=_COLUMNS)
    # As a library gives them: laid beside others, a column of another type would lose bits.
    return table.astype(dict.fromkeys(HASHES, pd.UInt64Dtype()))


def _row(look: Look) -> dict[str, object]:
    latitude, longitude = look.place or (np.nan, np.nan)
    content = look.content
    return {
        "image_id": content.image_id,
        "bytes": content.bytes,
        "width": content.width,
        "height": content.height,
        "taken": content.taken,
        "quality": look.quality.quality,
        "camera": look.camera,
        "latitude": latitude,
        "longitude": longitude,
        **look.hashes,
        **_NOTHING,
    }
