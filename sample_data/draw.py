"""Draw the zoo: ``python sample_data/draw.py OUT_DIR [--seed 2026]``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from zoo.files import encode, write
from zoo.plan import plan
from zoo.summary import contact_sheet, counts_table, sheet_rows


def main(arguments: list[str]) -> int:
    """Draw a zoo into a folder, and print what is in it.

    Parameters
    ----------
    arguments : list of str
        The command line after the program's name.

    Returns
    -------
    int
        The exit status: 0 done, 1 when a zoo lies there already.
    """
    parser = argparse.ArgumentParser(description="Draw the sample data of curate.")
    parser.add_argument("out", type=Path, metavar="OUT_DIR", help="where the zoo will lie")
    parser.add_argument("--seed", type=int, default=2026, help="another seed, another zoo")
    given = parser.parse_args(arguments)
    entries = plan(given.seed)
    try:
        write(entries, given.out, given.seed, os.cpu_count() or 1)
    except FileExistsError as error:
        print(error, file=sys.stderr)
        return 1
    sheet = contact_sheet(sheet_rows(entries), given.out)
    (given.out / "zoo.jpg").write_bytes(encode(sheet, 54))
    print(counts_table(entries))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
