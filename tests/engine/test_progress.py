"""A bar on a terminal, silence elsewhere."""

from __future__ import annotations

import io
import sys

import pytest

from curate.engine import progress


class Terminal(io.StringIO):
    """An error stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_without_a_terminal_nothing_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    with progress("Scanning", 10) as advance:
        for _ in range(10):
            advance(1, "2 failed")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("total", [100, None])
def test_on_a_terminal_it_says_what_and_how_far(
    monkeypatch: pytest.MonkeyPatch, total: int | None
) -> None:
    said = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "stderr", said)
    with progress("Scanning", total) as advance:
        advance(40)
        advance(20, "2 failed")
    assert "Scanning" in said.getvalue()
    assert ("60/100" if total else "60/?") in said.getvalue()
    assert "2 failed" in said.getvalue()


def test_errors_pass_through() -> None:
    with pytest.raises(ZeroDivisionError), progress("Scanning", 10):
        raise ZeroDivisionError
