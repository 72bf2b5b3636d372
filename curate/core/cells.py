"""Cells of tables: texts that a spreadsheet would run are protected by a quote, and come back."""

from __future__ import annotations

# A cell that starts with one of these may be run as a formula by a spreadsheet. A quote before
# it prevents that, and a quote before a quote keeps the two apart on the way back.
_RUNS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def safe(value: object) -> object:
    """Put a quote before a text that would be run."""
    if isinstance(value, str) and value.startswith(_RUNS):
        return f"'{value}"
    return value


def plain(cell: str) -> str:
    """Take the quote of `safe` away again."""
    if cell.startswith("'") and cell[1:].startswith(_RUNS):
        return cell[1:]
    return cell
