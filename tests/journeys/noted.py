"""What an actor does, slowly, with a note of who did it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from curate.bulk_id import Ask, Means, pipeline
from curate.core.files import FileEntry
from curate.engine import Computed
from curate.models.checkpoint import Checkpoint


def actor(
    models: Sequence[Checkpoint], ask: Ask, means: Means, many: bool, notes: str
) -> Callable[[list[FileEntry]], list[Computed]]:
    """Do what `pipeline.chunk_identifier` does; leave a file named by the process that did it."""
    identify = pipeline.chunk_identifier(models, ask, means, many)

    def answer(chunk: list[FileEntry]) -> list[Computed]:
        Path(notes, str(os.getpid())).touch()
        time.sleep(0.2)
        return identify(chunk)

    return answer
