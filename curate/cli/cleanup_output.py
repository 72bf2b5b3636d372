"""What `curate cleanup plan` shows: counts, cost, the difference to the last plan, sheets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.cli.output import Printer, counted, records

if TYPE_CHECKING:
    import pandas as pd

    from curate.cleanup.verb import Made
    from curate.store.library import Library

SHOWN = 8
"""Classes and reasons that are shown; all of them are in --json."""

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def say_plan(printer: Printer, made: Made) -> None:
    """Say what would go and what stays, what that may cost, and what is new."""
    moving = made.table[made.table["action"] == "quarantine"]
    images, size = moving["image_id"].nunique(), int(moving["bytes"].sum())
    printer.facts(
        images=images,
        files=len(moving),
        bytes=size,
        pool=made.pool,
        policy=made.policy,
        plan=made.plan.digest if made.plan else None,
        run_id=made.plan.run_id if made.plan else None,
        stopped=[vars(stop) for stop in made.stops] if made.plan is None else [],
        rules=records(made.rules),
        classes=records(made.classes),
        costs=records(made.costs),
        difference=None if made.difference is None else records(made.difference),
        left=records(_reasons(made.left)),
    )
    of_pool = f" of {counted(made.pool, 'image')} in the pool" if images else ""
    printer.say(
        f"{counted(len(moving), 'file')} ({counted(images, 'image')}{of_pool}, {written(size)}) "
        "would go to quarantine"
    )
    _say_rules(printer, made)
    _say_classes(printer, made.classes)
    _say_left(printer, made.left)
    for stop in made.stops:
        said = "Stopped" if made.plan is None else "Kept though over a limit"
        printer.say(f"\n{said}: {stop.reason}")


def say_next(printer: Printer, place: Library, made: Made, out: Path | None) -> None:
    """Name the command that comes next."""
    from curate.cleanup.policy import approved

    if made.plan is None:
        printer.next("curate cleanup plan --yes", "keep it all the same; look at --sheet first")
        return
    if made.plan.table.empty:
        printer.next("curate cleanup log", "what was moved, and when")
        return
    with place.reading() as connection:
        known = approved(connection) == made.policy
    printer.facts(approved=known)
    if not known:
        printer.say("\nThe policy is not approved: only a person at a terminal can apply this plan")
    printer.next(f"curate cleanup apply {out or ''}".rstrip(), "restore puts everything back")


def draw(printer: Printer, place: Library, made: Made, sheet: Path, seed: int) -> None:
    """Draw a random sample, and the likeliest mistakes; what is only listed where nothing goes."""
    from curate.cleanup import sheets
    from curate.core.files import write_asked

    moving = made.table[made.table["action"] == "quarantine"]
    table = moving if len(moving) else made.table
    total = table["image_id"].nunique()
    beside = sheet.with_name(f"{sheet.stem}-riskiest{sheet.suffix}")
    for file, chosen, title in (
        (sheet, sheets.sample(table, seed), "would go: a random sample"),
        (beside, sheets.riskiest(table), "would go: the likeliest mistakes"),
    ):
        write_asked(file, sheets.draw(place, chosen, title, total))
    printer.facts(sheets=[str(sheet), str(beside)])
    printer.say(f"\nDrew a random sample: {sheet}, and the likeliest mistakes: {beside}")


def written(size: int) -> str:
    """Write a number of bytes in the unit that suits it."""
    power = min(len(_UNITS) - 1, (len(str(size)) - 1) // 3)
    return f"{size / 1000**power:,.1f} {_UNITS[power]}" if power else f"{size:,} bytes"


def _say_rules(printer: Printer, made: Made) -> None:
    since = {} if made.difference is None else _since(made.difference)
    costs = {row["rule"]: row for row in records(made.costs)}
    rows = []
    for row in records(made.rules):
        listed = " (listed)" if row["action"] == "list" else ""
        rows.append(
            (
                f"{row['rule']}{listed}",
                row["images"],
                row["files"],
                written(row["bytes"]),
                since.get(row["rule"], "") if not listed else "",
                _cost(costs[row["rule"]]),
            )
        )
    header = ("rule", "images", "files", "size", "since last", "wanted among them")
    printer.table(header, rows)
    for row in records(made.rules):
        if row["note"]:
            printer.say(f"{row['rule']}: {row['note']}")


def _since(difference: pd.DataFrame) -> dict[str, str]:
    return {
        row["rule"]: f"+{row['new']:,} −{row['gone']:,}"
        if row["new"] or row["gone"]
        else "the same"
        for row in records(difference)
    }


def _cost(row: dict[str, Any]) -> str:
    lost, low, high = (row[name] for name in ("wanted_lost", "low", "high"))
    if not row["images"]:
        return ""
    if lost is None:
        return "nobody knows"
    if not row["looked"]:
        return f"0: {row['basis']}"
    return f"{lost:,.0f} ({low:,.0f} to {high:,.0f}), by {row['looked']:,} answers"


def _say_classes(printer: Printer, classes: pd.DataFrame) -> None:
    if classes["predicted"].notna().any():
        printer.say("\nBy what the model took them for:")
        rows = [
            (row["predicted"] or "nothing said", row["images"], row["files"], written(row["bytes"]))
            for row in records(classes.head(SHOWN))
        ]
        printer.table(("predicted", "images", "files", "size"), rows)
        if len(classes) > SHOWN:
            printer.say(f"… and {len(classes) - SHOWN:,} more classes (--json)")


def _say_left(printer: Printer, left: pd.DataFrame) -> None:
    found = _reasons(left)
    if len(found):
        printer.say("\nNamed by a rule, and stays:")
        rows = [(row["images"], row["rule"], row["reason"]) for row in records(found.head(SHOWN))]
        printer.table(("images", "rule", "because"), rows)
        if len(found) > SHOWN:
            printer.say(f"… and {len(found) - SHOWN:,} more reasons (--json)")


def _reasons(left: pd.DataFrame) -> pd.DataFrame:
    groups = left.groupby(["rule", "reason"])["image_id"].nunique()
    table = groups.rename("images").reset_index()
    return table.sort_values(["images", "rule", "reason"], ascending=[False, True, True])
