"""A command leaves at once, with its status, when all has been written and tidied up."""

from __future__ import annotations

import subprocess
import sys


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_nothing_is_lost_and_nothing_is_taken_apart() -> None:
    done = run(
        "import atexit, curate.cli.main as main\n"
        "class Imported:\n"
        "    def __del__(self): print('taken apart')\n"
        "kept = Imported()\n"
        "def answer(arguments):\n"
        "    atexit.register(print, 'tidied')\n"
        "    print('x' * 1_000_000)\n"
        "    return 4\n"
        "main.answer = answer\n"
        "main.run()"
    )
    assert done.returncode == 4
    assert done.stdout == "x" * 1_000_000 + "\ntidied\n"


def test_what_no_command_catches_ends_as_python_ends() -> None:
    done = run("import curate.cli.main as main\nmain.answer = lambda _: 1 / 0\nmain.run()")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_nobody_tidies_up_before_us() -> None:
    """What was registered before `run` would come after it, and so never."""
    assert run("import atexit, curate.cli.main\nprint(atexit._ncallbacks())").stdout == "0\n"
