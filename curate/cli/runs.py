"""`curate runs`: what was done in this library, and how runs differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.cli.options import (
    CsvOption,
    JsonOption,
    LibraryOption,
    ParquetOption,
    in_a_folder,
)

if TYPE_CHECKING:
    import pandas as pd

    from curate.cli.output import Printer
    from curate.cli.plot import Plot
    from curate.store.run_rows import Recorded

SHOWN = 20
"""Runs, and epochs of a history, that are shown; all of them are in the files."""

CURVES = {"val_accuracy": "accuracy on val", "loss": "loss"}
"""Metrics that are drawn by epoch, and what they are called there."""

_ID = typer.Argument(metavar="ID", min=1, max=2**31 - 1, help="Its number in `curate runs`.")


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="List the runs of the library; show, compare and note them.")
    group.callback(invoke_without_command=True)(runs)
    group.command()(show)
    group.command()(compare)
    group.command()(note)
    app.add_typer(group, name="runs")


def runs(
    context: typer.Context,
    stage: Annotated[
        str,
        typer.Option(metavar="NAME", help="Only of this stage: train, scan …", show_default=False),
    ] = "",
    limit: Annotated[
        int | None,
        typer.Option(help="At most so many, the newest.", min=1, show_default=False),
    ] = None,
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the runs of the library, the newest first; show, compare and note them."""
    if context.invoked_subcommand is not None:
        if stage or limit or library or csv or parquet or as_json:
            raise typer.BadParameter(f"Options of `{context.invoked_subcommand}` stand behind it.")
        return
    from curate.cli.output import Printer, counted, records
    from curate.core.errors import InputError
    from curate.store import run_rows
    from curate.store.library import opened

    printer = Printer(as_json)
    with opened(library) as place, place.reading() as connection:
        rows = run_rows.recorded(connection, stage=stage, limit=limit)
        known = run_rows.stages(connection)
    if stage and stage not in known:
        raise InputError(
            f"stage {stage!r}",
            "the library has no run of it",
            f"There are runs of {', '.join(known)}" if known else "There is no run yet",
        )
    table = run_rows.table(rows)
    printer.facts(runs=records(table))
    printer.table(
        ["run", "stage", "status", "started", "seconds", "val", "test", "made"],
        [_line(row, max(16, printer.console.width - 62)) for row in rows[:SHOWN]],
    )
    if len(rows) > SHOWN:
        printer.say(f"… and {counted(len(rows) - SHOWN, 'earlier run')}")
    if not rows:
        printer.say("No run yet: every command that changes or makes something is one.")
    printer.write(table, csv, parquet)
    printer.finish()


def show(
    run: Annotated[int, _ID],
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show all that is known of a run; --csv and --parquet write its history."""
    from dataclasses import asdict

    from curate.cli import plot
    from curate.cli.output import Printer, local, records
    from curate.store import run_rows
    from curate.store.library import opened

    printer = Printer(as_json)
    with opened(library) as place, place.reading() as connection:
        (row,) = run_rows.named(connection, [run])
        parent = run_rows.maker(connection, row.parent) if row.parent else None
    history = row.history
    printer.facts(
        **records(run_rows.table([row]))[0]
        | {
            "ended": row.ended,
            "parent_run": parent,
            "parameters": row.parameters,
            "versions": row.versions,
            "environment": row.environment,
            "summary": row.summary,
            "history": records(history),
            "notes": [asdict(note) for note in row.notes],
        }
    )
    printer.say(f"Run {row.run_id}: {row.stage}, {row.status}, {_when(row)}")
    if row.made:
        title = "Failed" if "error" in row.summary else "Made"
        printer.say(f"{title}: {row.made}" + (f" ({row.digest})" if row.digest else ""))
    if row.throw_away:
        printer.say("A throw-away model: use it to find images, not to deploy.")
    if row.parent:
        printer.say(f"From: {row.parent}" + (f" (run {parent})" if parent else ""))
    for note in row.notes:
        printer.say(f"Note of {note.by}, {local(note.at)}: {note.text}")
    for title, told in (
        ("parameter", row.parameters),
        ("metric", row.metrics),
        ("version", row.versions),
        ("environment", row.environment),
    ):
        _list(printer, title, told)
    if len(history):
        few = history[::-1].iloc[:: -(-len(history) // SHOWN)][::-1]
        printer.say()
        printer.table(list(few.columns), few.itertuples(index=False))
    for drawn in _plots([row]):
        printer.say()
        printer.say(plot.text(drawn))
    printer.write(history, csv, parquet)
    printer.finish()


def compare(
    run: Annotated[
        list[int],
        typer.Argument(
            metavar="ID…", min=1, max=2**31 - 1, help="Two or more numbers in `curate runs`."
        ),
    ],
    draw: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            help="Draw the accuracy on val by epoch (.png, .svg or .html), and the loss beside it "
            "as FILE with `.loss` before the suffix.",
            callback=in_a_folder,
            show_default=False,
        ),
    ] = None,
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare runs: parameters that differ, metrics with the best marked, curves."""
    from curate.cli import plot
    from curate.cli.output import Printer, counted, quoted, records
    from curate.core.errors import InputError
    from curate.store import run_rows
    from curate.store.library import opened
    from curate.store.run_compare import compared

    printer = Printer(as_json)
    chosen = list(dict.fromkeys(run))
    if len(chosen) < 2:
        raise InputError(f"run {chosen[0]} alone", "two or more are compared", "See `curate runs`")
    if draw is not None:
        plot.writer_of(draw)
    with opened(library) as place, place.reading() as connection:
        rows = run_rows.named(connection, chosen)
    table = compared(rows)
    plots = _plots(rows)
    printer.facts(
        runs=records(run_rows.table(rows)),
        compared=records(table),
        curves={
            drawn.title: {line.name: {"epoch": line.x, "value": line.y} for line in drawn.lines}
            for drawn in plots
        },
    )
    header = [f"run {row.run_id}" for row in rows]
    printer.table(["", *header], [("made", *(row.made for row in rows))])
    for kind in ("parameter", "version", "metric"):
        part = table[table["kind"] == kind]
        printer.say()
        printer.table([kind, *header], [_marked(one, chosen) for one in records(part)])
        if part.empty:
            printer.say(f"No {kind} {'was measured' if kind == 'metric' else 'differs'}.")
    for drawn in plots:
        printer.say()
        printer.say(plot.text(drawn))
    if draw is not None:
        for drawn, file in zip(plots, (draw, _beside(draw)), strict=False):
            plot.write(drawn, file)
            printer.say(f"Drew {drawn.y_label}: {quoted(file)}")
        if not plots:
            printer.say(f"No curve to draw: {counted(len(rows), 'run')} without a history")
    printer.write(_as_texts(table), csv, parquet)
    printer.finish()


def note(
    run: Annotated[int, _ID],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is to be remembered.")],
    by: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who says it.  [default: you]", show_default=False),
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a remark on a run, for ever."""
    from curate.cli.label import user
    from curate.cli.output import Printer
    from curate.store import run_rows
    from curate.store.library import opened

    printer = Printer(as_json)
    with opened(library) as place:
        new = run_rows.remark(place, run, text, by or user())
    printer.facts(run_id=run, new=new)
    printer.say("Noted." if new else "That was noted before.")
    printer.next(f"curate runs show {run}")
    printer.finish()


def _line(row: Recorded, room: int) -> tuple[Any, ...]:
    from curate.cli.output import local, tail

    marks = ["throw-away"] * bool(row.throw_away) + ["noted"] * bool(row.notes)
    made = tail(row.made, room) if row.digest else row.made[:room]
    return (
        row.run_id,
        row.stage,
        row.status,
        local(row.started),
        None if row.seconds is None else round(row.seconds),
        row.metrics.get("val_accuracy"),
        row.metrics.get("test_accuracy"),
        made + f" ({', '.join(marks)})" * bool(marks),
    )


def _when(row: Recorded) -> str:
    from curate.cli.output import local

    took = "" if row.seconds is None else f", {row.seconds:,.0f} s"
    return f"began {local(row.started)}{took}"


def _list(printer: Printer, title: str, told: Any) -> None:
    if told:
        printer.say()
        printer.table([title, "value"], [(name, _value(value)) for name, value in told.items()])


def _value(value: Any) -> str:
    import json

    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.5g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _marked(row: dict[str, Any], run_ids: Sequence[int]) -> tuple[str, ...]:
    """Give a row of the comparison; a star marks the best."""
    best = row["best"].split(",")
    values = [_value(row[f"run {run_id}"]) + " ★" * (str(run_id) in best) for run_id in run_ids]
    return (row["name"], *values)


def _plots(rows: Sequence[Recorded]) -> list[Plot]:
    """Make a plot of each of `CURVES` that any of the runs has."""
    from curate.cli.plot import Line, Plot
    from curate.store.run_compare import curves

    plots = []
    for metric, label in CURVES.items():
        lines = [Line(f"run {run_id}", x, y) for run_id, (x, y) in curves(rows, metric).items()]
        if lines:
            plots.append(Plot(metric, "epoch", label, lines))
    return plots


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}.loss{path.suffix}")


def _as_texts(table: pd.DataFrame) -> pd.DataFrame:
    """Make texts of values of several kinds: a column of a file has one."""
    import pandas as pd

    return table.map(lambda value: None if pd.isna(value) else str(value)).astype("str")
