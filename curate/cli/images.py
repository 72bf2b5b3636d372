"""Images as a user names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curate.store.library import Library


def find_image(place: Library, image: str) -> str:
    """Find the image that a user names by its id or by a path.

    Raises
    ------
    InputError
        The library has no such image.
    """
    from curate.core import paths
    from curate.core.errors import InputError
    from curate.store import facts, files

    with place.reading() as connection:
        ids = set(facts.images(connection)["image_id"])
        if image in ids:
            return image
        # As a person types it, and as our own tables write it.
        named = [paths.absolute(image), paths.absolute(paths.from_text(image))]
        known = files.known(connection, named)
    for file in known.values():
        if file.image_id in ids:
            return str(file.image_id)
    raise InputError(
        image,
        "is neither the id of an image nor the path of one in the library",
        "Take one from `curate split --csv splits.csv`, or scan its folder first.",
    )
