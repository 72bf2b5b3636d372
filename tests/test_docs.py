"""The docs hold: commands are documented as they are, and the tutorial is the demo."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MAKE_COMMANDS = runpy.run_path(str(DOCS / "make_commands.py"))
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])


def test_commands_page_is_the_commands_help() -> None:
    assert (DOCS / "commands.md").read_text(encoding="utf-8") == MAKE_COMMANDS["page"](), (
        "the help has changed: python docs/make_commands.py"
    )


def test_every_command_is_documented_in_prose() -> None:
    prose = "\n".join(p.read_text(encoding="utf-8") for p in PAGES if p.name != "commands.md")
    for names in MAKE_COMMANDS["commands"]():
        assert f"curate {' '.join(names)}".strip() in prose, names


def test_tutorial_is_the_demo() -> None:
    """`tests/journeys` runs the demo, so that the tutorial's commands are run too."""
    tutorial = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    demo = (ROOT / "sample_data" / "demo.sh").read_text(encoding="utf-8")
    told = re.findall(r"^    \$ (curate .*)$", tutorial, flags=re.M)
    done = re.findall(r"^step (curate .*)$", demo, flags=re.M)
    assert told == done


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_options_in_prose_exist() -> None:
    known = set(re.findall(r"--[a-z][a-z-]+", (DOCS / "commands.md").read_text(encoding="utf-8")))
    for page in (ROOT / "README.md", *DOCS.glob("*.md")):
        for line in page.read_text(encoding="utf-8").splitlines():
            command = re.search(
                r"\bcurate (scan|duplicates|status|split|train|bulk-id|queue|label|check)\b.*", line
            )
            if command:
                used = set(re.findall(r"(?<!\S)--[a-z][a-z-]+", command[0]))
                assert used <= known, f"{page.name}: {line}"
