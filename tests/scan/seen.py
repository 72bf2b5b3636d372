"""What a test asks of a library after a scan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from curate.scan import Scanned, scan
from curate.store import facts, views
from curate.store.library import Library


def scanned(library: Library, root: Path | str, **options: Any) -> Scanned:
    return scan(library, Path(root), **{"backend": "serial", **options})


def facts_of(library: Library) -> pd.DataFrame:
    """Facts by path, relative to the folder of the library."""
    with library.reading() as connection:
        table = facts.images(connection)
    start = f"{library.root}/"
    table["path"] = [path.removeprefix(start) for path in table["path"]]
    return table.set_index("path").drop(columns="image_id").astype(object)


def labels_of(library: Library) -> dict[str, str]:
    table = facts_of(library)
    labelled = table["label"].dropna()
    return dict(zip(map(str, labelled.index), labelled, strict=True))


def looks_of(library: Library) -> pd.DataFrame:
    with views.asked(library, "looks") as answering:
        return answering.execute("SELECT * FROM looks ORDER BY image_id").df()


Counted = Callable[[], list[bytes]]
