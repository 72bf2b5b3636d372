"""Tests of what lies on disk look at files in this process: starting others takes a second."""

from __future__ import annotations

import pytest

from curate import engine


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at files without starting processes."""
    monkeypatch.setitem(engine.BACKENDS, "processes", engine.BACKENDS["serial"])
