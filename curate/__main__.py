"""`python -m curate` is the command `curate`."""

from __future__ import annotations

from curate.cli.main import run

if __name__ == "__main__":
    run()
