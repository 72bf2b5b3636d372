"""Fingerprints: the hashes of all views of all parts of images, one row a part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curate.duplicates.likeness import is_blank
from curate.duplicates.pictures import Part
from curate.duplicates.views import SIDE, Hashes, view_hashes


@dataclass(frozen=True)
class Fingerprints:
    """Hashes of parts.

    Attributes
    ----------
    image_id : object array of str, shape (n,)
        The image; blank parts have no row, so an image may have none.
    part : int array, shape (n,)
        The number of the part, see `pictures.parts`.
    waves, slopes : arrays of uint64, shape (n, len(VIEWS))
        As `view_hashes` gives them.
    """

    image_id: NDArray[np.object_]
    part: NDArray[np.int64]
    waves: Hashes
    slopes: Hashes

    def __len__(self) -> int:
        return len(self.part)

    def rows(self, chosen: NDArray[np.bool_]) -> Fingerprints:
        """Some of the rows."""
        return Fingerprints(
            self.image_id[chosen], self.part[chosen], self.waves[chosen], self.slopes[chosen]
        )


def fingerprints(pictures: Mapping[str, Mapping[int, Part]]) -> Fingerprints:
    """Hash all parts that are not blank, in the order of images and parts.

    Parameters
    ----------
    pictures : mapping
        The parts of each image, by image id and number.
    """
    rows = [
        (image_id, number, part.hashed)
        for image_id in sorted(pictures)
        for number, part in sorted(pictures[image_id].items())
        if not is_blank(part)
    ]
    small = np.array([row[2] for row in rows], dtype=np.uint8).reshape(-1, SIDE, SIDE)
    waves, slopes = view_hashes(small)
    return Fingerprints(
        np.array([row[0] for row in rows], dtype=object),
        np.array([row[1] for row in rows], dtype=np.int64),
        waves,
        slopes,
    )


def joined(some: Sequence[Fingerprints]) -> Fingerprints:
    """Lay fingerprints behind each other."""
    return Fingerprints(
        np.concatenate([each.image_id for each in some]),
        np.concatenate([each.part for each in some]),
        np.concatenate([each.waves for each in some]),
        np.concatenate([each.slopes for each in some]),
    )
