"""A queue is made in less time than much of what is installed takes to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from curate.store.library import opened

from .cases import predict, said

NOT_NEEDED = {
    "torch", "torchvision", "timm", "ray", "albumentations", "cv2", "PIL", "scipy", "sklearn",
    "imagehash", "matplotlib", "plotext", "optuna", "mlflow", "datasets", "webdataset", "fsspec",
    "pyarrow.dataset", "sqlalchemy.dialects.postgresql", "multiprocessing.pool",
    "curate.engine", "curate.splits", "curate.formats.exchange", "curate.core.contact_sheet",
    "rich", "curate.queues.filters.where", "curate.queues.filters.expression",
    "curate.queues.expectations.plan", "curate.queues.expectations.planning",
}  # fmt: skip
"""None of these for the lowest scores."""


def test_the_lowest_scores_import_nothing_that_they_do_not_need(tmp_path: Path) -> None:
    with opened(tmp_path, make=True) as library:
        predict(library, [said("a", "kudu", 0.2)])

    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "curate", "queue", "low-score", "--json"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert told.returncode == 0, told.stderr[-2000:]
    lines = [line for line in told.stderr.splitlines() if line.startswith("import time:")]
    modules = {line.rpartition("|")[2].strip() for line in lines}
    assert "curate.queues.answering" in modules
    assert not modules & NOT_NEEDED
