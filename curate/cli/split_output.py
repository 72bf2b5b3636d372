"""What `curate split` prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from curate.cli.output import counted, quoted, records, tail

if TYPE_CHECKING:
    import pandas as pd

    from curate.cli.output import Printer
    from curate.formats.trees import Written
    from curate.splits import Assignment, Checked, SplitPolicy

SHOWN = 40
"""Classes, and faults, that are shown; all of them are in --json."""

FEW = 10
"""Reasons, changes and conflicts that are shown."""

ALWAYS_TRAINS = -1

SPLITS = ("train", "val", "test", "benchmark")

CUTOFFS = {"min_count": 1, "max_count": None, "sub_min_count": 0, "sub_max_count": None}
"""The cutoffs, and what each is where there is none."""


def print_split(printer: Printer, assignment: Assignment) -> None:
    """Print every class, how far the split is from its wish, and what was left out and why."""
    table, classes = assignment.table, assignment.classes
    sizes = {name: int((table["split"] == name).sum()) for name in SPLITS}
    out = table.loc[table["split"] == "", "reason"]
    printer.facts(
        sizes=sizes,
        left_out=out.value_counts().to_dict(),
        classes=records(classes),
        changes=records(assignment.changes),
        conflicts=records(assignment.conflicts),
    )
    _print_classes(printer, classes)
    printer.say(", ".join(f"{name} {size:,}" for name, size in sizes.items()))
    _print_balance(printer, assignment)
    if len(out):
        printer.say(f"{counted(len(out), 'image')} left out:")
        kinds = out.value_counts()
        printer.table(
            ["images", "reason"], list(zip(kinds.tolist(), kinds.index, strict=True))[:FEW]
        )
        if len(kinds) > FEW:
            printer.say(f"… and {counted(len(kinds) - FEW, 'more reason')} (--csv FILE has all)")
    if len(assignment.changes):
        changes = assignment.changes
        printer.say(f"{counted(len(changes), 'image')} had to change:")
        printer.table(list(changes.columns), changes.head(FEW).to_numpy().tolist())
        _say_rest(printer, len(changes))
    _print_conflicts(printer, assignment.conflicts)


def _print_balance(printer: Printer, assignment: Assignment) -> None:
    """Say in one line how far the split is from its wish, and how near it could be."""
    off, least = assignment.distance["deviation"].sum(), assignment.distance["at_least"].sum()
    whole = assignment.balance[assignment.balance["sub_class"] == ""]
    printer.facts(
        distance={"deviation": float(off), "at_least": float(least)},
        balance=records(assignment.balance),
    )
    if whole.empty:
        return
    farthest = whole.iloc[int(whole["deviation"].abs().to_numpy().argmax())]
    printer.say(
        f"Off the wish by {off:,.1f} images in all; no assignment of these groups comes nearer "
        f"than {least:,.1f}. Farthest off: {farthest['class']} in {farthest['split']} with "
        f"{farthest['placed']:,} real images of {farthest['wished']:,.1f} wished for."
    )


def _print_conflicts(printer: Printer, conflicts: pd.DataFrame) -> None:
    """Print each conflict with its ways out."""
    if conflicts.empty:
        return
    printer.say(f"{counted(len(conflicts), 'image')} in conflict:")
    for conflict in conflicts.head(FEW).to_dict("records"):
        printer.say(f"  {conflict['image_id']}: {conflict['reason']}")
        for way in str(conflict["ways_out"]).split("; "):
            printer.say(f"    - {way}")
    _say_rest(printer, len(conflicts))


def _say_rest(printer: Printer, number: int) -> None:
    if number > FEW:
        printer.say(f"… and {number - FEW:,} more (--json has all)")


def _print_classes(printer: Printer, classes: pd.DataFrame) -> None:
    shown = classes
    if len(shown) > SHOWN:
        # The small classes are where the work is.
        shown = shown.sort_values("usable", kind="stable").head(SHOWN).sort_index()
    header = ["class", "usable", "groups", "used", *SPLITS, "cut", "short"]
    styles = ["" if status == "in" else "yellow" for status in shown["status"]]
    printer.table(header, shown[header].to_numpy().tolist(), styles)
    if len(classes) > SHOWN:
        printer.say(f"… and {len(classes) - SHOWN:,} larger classes (--json has all)")
    noted = classes[classes["note"] != ""]
    for name, note in zip(noted["class"].head(FEW), noted["note"], strict=False):
        printer.say(f"{name}: {note}")
    _say_rest(printer, len(noted))


def print_folds(printer: Printer, table: pd.DataFrame) -> None:
    """Print the size of each fold, and what is in none."""
    placed = table[table["fold"].notna()]
    rows = [
        ["always trains" if fold == ALWAYS_TRAINS else f"fold {fold}", len(images), classes]
        for fold, images in placed.groupby("fold")
        for classes in [images["label"].nunique()]
    ]
    printer.facts(folds={name: size for name, size, _ in rows})
    printer.table(["", "images", "classes"], rows)
    printer.say(f"{counted(len(table) - len(placed), 'image')} in no fold, each with its reason")


def print_checked(
    printer: Printer, checked: Checked, policy: SplitPolicy, *, has_library: bool
) -> None:
    """Print the faults of a split, and what could not be checked."""
    faults, counts = checked.faults, checked.counts
    printer.facts(
        faults=records(faults),
        notes=checked.notes,
        counts=counts,
        cutoffs={name: getattr(policy, name) for name in CUTOFFS},
    )
    sizes = ", ".join(f"{name} {counts[name]:,}" for name in SPLITS if name in counts)
    known = f"{counts['known']:,} of them in the library" if has_library else "no library here"
    printer.say(f"{counted(counts['images'], 'image')} ({known}): {sizes}")
    cutoffs = [
        f"{name.replace('_', '-')} {asked}"
        for name, none in CUTOFFS.items()
        if (asked := getattr(policy, name)) != none
    ]
    printer.say(f"Cutoffs: {', '.join(cutoffs) or 'none asked for'}")
    for note in checked.notes:
        printer.say(f"Note: {note}")
    shown = faults.head(SHOWN).assign(subject=[_short(one) for one in faults["subject"][:SHOWN]])
    printer.table(list(faults.columns), shown.to_numpy().tolist())
    if len(faults) > SHOWN:
        printer.say(f"… and {len(faults) - SHOWN:,} more (--csv FILE and --json have all)")
    if len(faults):
        kinds = faults["check"].value_counts()
        listed = ", ".join(f"{name} {times:,}" for name, times in kinds.items())
        printer.say(f"{counted(len(faults), 'fault')}: {listed}")
    else:
        printer.say("No fault found.")


def _short(subject: str) -> str:
    """Shorten the path of a subject, so that the reason beside it has room."""
    place, colon, name = subject.partition(": ")
    return f"{place}: {tail(name)}" if colon and place.startswith("line ") else tail(subject)


def print_written(printer: Printer, what: str, folder: Path, written: Written) -> None:
    """Print what was done to a tree."""
    printer.facts(
        **{
            what: {
                "made": written.made,
                "kept": written.kept,
                "removed": written.removed,
                "left": written.left,
                "without_file": written.without_file,
            }
        }
    )
    printer.say(
        f"{quoted(folder)}: {written.made:,} files made, {written.kept:,} kept, "
        f"{written.removed:,} removed"
    )
    if written.left:
        printer.say(
            f"{counted(len(written.left), 'file')} were changed by somebody and left as they are, "
            f"{written.left[0]} first"
        )
    if written.without_file:
        printer.say(f"{counted(written.without_file, 'image')} have no file any more: not in it")
