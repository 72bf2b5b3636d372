"""Write docs/commands.md from the commands' own help: `python docs/make_commands.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from curate.cli.main import app

HEAD = """# Commands

The help of every command, as it prints it (`python docs/make_commands.py` writes this page).
"""


def commands() -> list[list[str]]:
    """Name every command, groups before their members."""
    found: list[list[str]] = []
    pending: list[tuple[list[str], Any]] = [([], get_command(app))]
    while pending:
        names, command = pending.pop(0)
        found.append(names)
        inner = getattr(command, "commands", {})
        pending += [([*names, name], inner[name]) for name in inner]
    return found


def page() -> str:
    """Give the page."""
    parts = [HEAD]
    for names in commands():
        result = CliRunner().invoke(
            app, [*names, "--help"], prog_name="curate", env={"COLUMNS": "90", "TERM": "dumb"}
        )
        title = " ".join(["curate", *names])
        parts.append(f"## {title}\n\n```text\n{result.output.strip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    Path(__file__).with_name("commands.md").write_text(page(), encoding="utf-8")
