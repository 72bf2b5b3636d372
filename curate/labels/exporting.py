"""Labels out: every label of the library as a manifest."""

from __future__ import annotations

import pandas as pd

from curate.formats.exchange import as_was
from curate.store import decisions, facts
from curate.store.library import Library


def export_labels(library: Library) -> pd.DataFrame:
    """Give every label, as a table that `import_answers` and `curate scan --labels` read back.

    The import finds images by their content, wherever they lie; it takes label and sub_class. The
    scan goes by path, in one folder, and takes every column.

    Returns
    -------
    DataFrame
        Columns image_id, path (one place of the image), label, sub_class ('' for none), was (both,
        so that an import tells the rows that somebody changed), origin, a column for each kind of
        group ('' for none), and bbox where an image has one; by path.
        Images that were rejected, or of which no file can be read any more, are left out.
    """
    with library.reading() as connection:
        table = facts.images(connection)
        details = decisions.current(connection, "label").set_index("image_id")["detail"]
    table = table[table["usable"] & table["label"].notna()]
    boxes = details.map(lambda detail: detail.get("bbox", "")).reindex(table["image_id"])
    table = table.assign(bbox=boxes.to_numpy())
    groups = [name for name in map(str, table.columns) if name.startswith(facts.GROUP_PREFIX)]
    # What curate found itself is no word of a person's, and the next library finds it again.
    groups = [name for name in groups if name not in table.attrs["found"]]
    extra = ["bbox"] if (table["bbox"] != "").any() else []
    manifest = table[["image_id", "path", "label", "sub_class", "origin", *groups, *extra]].fillna(
        ""
    )
    labels = zip(manifest["label"], manifest["sub_class"], strict=True)
    was = pd.Series([as_was(*both) for both in labels], manifest.index, manifest["label"].dtype)
    manifest.insert(4, "was", was)
    return manifest.sort_values("path", ignore_index=True)
