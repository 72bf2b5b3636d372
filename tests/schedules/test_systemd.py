"""Services and timers: systemd itself says whether they are right, and which words it sees."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.schedules import systemd, when

from .jobs import ODD, job, libraries, words

ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")


def verified(folder: Path, files: dict[str, str]) -> str:
    """Have systemd read units, and give what it says; it must not complain."""
    assert ANALYZE is not None
    for name, text in files.items():
        (folder / name).write_text(text)
    command = [ANALYZE, "verify", "--man=no", "--recursive-errors=no"]
    environment = os.environ | {"SYSTEMD_LOG_LEVEL": "debug", "HOME": str(folder)}
    done = subprocess.run(
        [*command, *(str(folder / name) for name in files)],
        capture_output=True,
        env=environment,
        check=False,
    )
    said = (done.stdout + done.stderr).decode(errors="surrogateescape")
    assert done.returncode == 0, said
    # It goes on where it does not understand a line, and only says so.
    complaints = [line for name in files for line in said.splitlines() if f"{name}:" in line]
    assert not [line for line in complaints if "ignoring" in line.lower()]
    return said


@needs_systemd
@pytest.mark.parametrize("at", ["03:00", "every 6h", "every 1h"])
@pytest.mark.parametrize("library", ["/srv/zoo", f"{ODD}\udcff\n\tz\\"])
def test_systemd_takes_the_units(tmp_path: Path, at: str, library: str) -> None:
    verified(tmp_path, systemd.units(job(library, at=when(at))))


@needs_systemd
def test_the_check_finds_what_is_wrong(tmp_path: Path) -> None:
    (name, text), timer = systemd.units(job()).items()
    with pytest.raises(AssertionError):
        verified(tmp_path, {name: text.replace("TimeoutStartSec=", "TimeoutStartSec=x")})
    with pytest.raises(AssertionError):
        verified(tmp_path, {timer[0]: timer[1].replace("03:00:00", "33:00:00")})


@needs_systemd
@pytest.mark.parametrize(
    "word", [f"{ODD}\n\t\r\x7f", "$x", "%n %%", "", ";", "\udcff\xff", "a'\\x"]
)
def test_systemd_sees_the_words(tmp_path: Path, word: str) -> None:
    made = job(options=(word,))
    said = verified(tmp_path, dict([*systemd.units(made).items()][:1]))
    found = said.partition("Command Line: ")[2]
    # It shows words for a shell, `$$` not yet taken for `$`.
    shown = systemd_shows(word.replace("$", "$$"))
    assert found.partition(" --time-out 6h ")[2].startswith(shown), found[:400]


def systemd_shows(word: str) -> str:
    """Quote a word as systemd prints it (`quote_command_line`, v252)."""
    escapes = {"\n": r"\n", "\t": r"\t", "\r": r"\r"}
    special = '"\\`$'
    if word and not set(word) & set(" \t\n\r\"\\`$*?['()<>|&;!#~") and word.isprintable():
        return word
    shown = ""
    for character in word:
        if character in escapes:
            shown += escapes[character]
        elif not character.isprintable():
            shown += "".join(f"\\{byte:03o}" for byte in os.fsencode(character))
        elif character in special:
            shown += "\\" + character
        else:
            shown += character
    return f'"{shown}"'


def parsed(line: str) -> list[bytes]:
    """Take a command line apart by the rules of systemd.service(5) and systemd.syntax(7)."""
    found: list[bytes] = []
    at = 0
    while at < len(line):
        if line[at] == " ":
            at += 1
            continue
        word, quote = b"", ""
        while at < len(line) and (quote or line[at] != " "):
            character = line[at]
            if character == quote:
                quote = ""
            elif character in "\"'" and not quote:
                quote = character
            elif character == "\\":
                at += 1
                if line[at] == "x":
                    word += bytes([int(line[at + 1 : at + 3], 16)])
                    at += 2
                else:
                    kinds = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
                    word += kinds[line[at]].encode()
            elif character in "%$":
                at += 1
                assert line[at] == character, "a specifier, or a variable"
                word += character.encode()
            else:
                assert character.isprintable()
                word += character.encode()
            at += 1
        assert not quote
        found.append(word)
    return found


@given(libraries, st.lists(words, max_size=3))
@settings(max_examples=200)
def test_any_words_are_read_back(library: str, options: list[str]) -> None:
    made = job(library, options=tuple(options))
    service = systemd.units(made)[f"{made.unit}.service"]
    (line,) = [x for x in service.split("\n") if x.startswith("ExecStart=")]
    found = parsed(line.removeprefix("ExecStart="))
    assert found == [os.fsencode(word) for word in (*made.program, *made.words)]
    # Nothing of an odd name begins a line of its own, or goes on in the next.
    assert all(x == "" or x[0] == "[" or x.split("=")[0].isalnum() for x in service.split("\n"))
    assert "\\\n" not in service


@pytest.mark.parametrize("text", ["03:05", "every 6h", "every 1h"])
def test_times_are_read_back(text: str) -> None:
    made = job(at=when(text))
    assert systemd.time(systemd.units(made)[f"{made.unit}.timer"]) == when(text)
    assert systemd.time("[Timer]\nOnCalendar=daily\n") is None
