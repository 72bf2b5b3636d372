"""The command `curate`: every command group, and the only place that catches errors."""

from __future__ import annotations

import atexit
import gc
import io
import os
import signal
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from typer.exceptions import Abort, Exit, TyperException

from curate.cli import (
    augment,
    bulk_id,
    check,
    cleanup,
    duplicates,
    exchange,
    jobs,
    label,
    library,
    lr_find,
    queue,
    runs,
    show,
    split,
    sweep,
    train,
)
from curate.core.errors import CurateError

DONE, EXPECTED, BUG, INTERRUPTED, TERMINATED = 0, 1, 3, 130, 143

app = typer.Typer(
    name="curate",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Keep an image classifier alive for years: its data is the work, and this is the loop:\n\n"
    "scan, duplicates, split, train (throw-away), bulk-id, queue, label, and again.",
    epilog="Every command that prints a table takes --csv FILE, --parquet FILE and --json. "
    "Settings come from curate.toml beside the library, then from options.",
)
for group in (
    library,
    duplicates,
    split,
    augment,
    lr_find,
    train,
    sweep,
    runs,
    bulk_id,
    queue,
    show,
    label,
    exchange,
    cleanup,
    jobs,
    check,
):
    group.add_to(app)


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Options that stand before the command."""
    if version:
        from importlib.metadata import version as version_of

        typer.echo(version_of("curate"))
        raise Exit


def run() -> None:
    """Run the command line; the exit status says how it ended.

    0 done, 1 an expected error, 2 wrong usage, 3 a bug of ours, 4 stopped by its limits (cleanup),
    130 interrupted (Ctrl-C), 143 terminated.
    """
    ended: list[int] = []
    # The first to be registered is the last to be called: all that tidies up has done so by then.
    atexit.register(_leave, ended)
    signal.signal(signal.SIGTERM, _terminate)
    # What is imported stays: to look for garbage among it takes a tenth of a short command.
    gc.set_threshold(50_000)
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal cannot write must not end a command that has done its work.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    ended.append(answer(sys.argv[1:]))
    sys.exit(ended[0])


def _leave(ended: list[int]) -> None:
    """End at once, where a command has ended: to take all apart that it imported takes 0.3 s."""
    if ended:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(ended[0])


def answer(arguments: list[str]) -> int:
    """Run one command and give its exit status; errors are printed, never raised."""
    try:
        # typer turns Ctrl-C into the status 130, and typer.Exit into its code.
        status = app(args=arguments, standalone_mode=False)
    except CurateError as error:
        typer.echo(f"curate: {error}", err=True)
        return EXPECTED
    except TyperException as error:
        typer.echo(f"curate: {error.format_message()} See `curate --help`.", err=True)
        return error.exit_code
    except (Abort, KeyboardInterrupt):
        status = INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output (head, a pager) has seen enough.
        return DONE
    except Exception:  # ours to mend: the user gets a file to send, not a page of traceback
        typer.echo(f"curate: a bug of ours; please send {_log(arguments)}", err=True)
        return BUG
    if status == INTERRUPTED:
        typer.echo(f"curate: interrupted. {_kept(arguments)}", err=True)
    return status if isinstance(status, int) else DONE


def _kept(arguments: list[str]) -> str:
    """Say what an interrupted command leaves behind."""
    if arguments[:1] == ["train"]:
        return "The checkpoints of the last complete epoch are kept: --resume last goes on there."
    if arguments[:1] == ["lr-find"]:
        return "Nothing is kept of it; the same command begins anew."
    return "What was done is kept; the same command goes on from here."


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    # An exception, so that everything on the way out puts its things in order.
    raise SystemExit(TERMINATED)


def _log(arguments: list[str]) -> Path:
    with tempfile.NamedTemporaryFile(
        "w", prefix="curate-bug-", suffix=".log", delete=False, errors="backslashreplace"
    ) as file:
        file.write(f"curate {' '.join(arguments)}\n\n{traceback.format_exc()}")
    return Path(file.name)
