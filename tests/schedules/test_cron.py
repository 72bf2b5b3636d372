"""Lines of a crontab: what cron and the shell make of them are the words again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.errors import InputError
from curate.schedules import Job, When, cron, when

from .jobs import ODD, job, libraries, words

PRINT = "import os, sys; os.write(1, b'\\0'.join(map(os.fsencode, sys.argv[1:])))"


def halves(line: str) -> tuple[str, str]:
    """Take a line apart as crontab(5) says: fields, and the command."""
    parts = line.split(" ", 5)
    return " ".join(parts[:5]), parts[5]


def unescaped(command: str, *, halved: bool) -> str:
    """Give what cron hands to the shell; a bare % ends it. Some crons halve two backslashes."""
    found, at = "", 0
    while at < len(command):
        pair = command[at : at + 2]
        if pair == r"\%" or (halved and pair == r"\\"):
            found, at = found + pair[1], at + 2
        elif pair[0] == "\\" and len(pair) == 2:
            found, at = found + pair, at + 2
        else:
            assert command[at] != "%", "the rest would be the input of the command"
            found, at = found + command[at], at + 1
    return found


def given_to_shell(made: Job, *, halved: bool) -> bytes:
    (line,) = cron.units(made).values()
    assert line.count("\n") == 1
    fields, command = halves(line.rstrip("\n"))
    assert fields == made.at.cron
    return os.fsencode(unescaped(command, halved=halved))


@given(libraries, st.lists(words, max_size=2), st.booleans())
def test_whatever_the_words_are_the_shell_sees_the_same_command(
    library: str, options: list[str], halved: bool
) -> None:
    made = job(library, options=tuple(options))
    shell = given_to_shell(made, halved=halved)
    assert shell == os.fsencode(f"{cron.command(made)} # {made.unit}")


@given(libraries, st.lists(words, max_size=2), st.booleans())
@settings(max_examples=40)
def test_the_shell_gives_the_program_its_words(
    library: str, options: list[str], halved: bool
) -> None:
    made = job(library, program=("printf", "%s\\0"), options=tuple(options))
    # What stands before and behind needs the folders of the library; here, the words count.
    command = given_to_shell(made, halved=halved)
    start = command.index(b"flock")
    command = command[:start] + command[command.index(b"ionice -t -c 3 ") + 15 :]
    command = command[: command.rindex(b" >>")]
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=True)
    assert done.stdout.split(b"\0")[:-1] == [os.fsencode(word) for word in made.words]


def test_the_whole_line_runs_in_a_folder_with_an_odd_name(tmp_path: Path) -> None:
    folder = tmp_path / f"{ODD[5:]}\nz"
    (folder / ".curate").mkdir(parents=True)
    made = job(str(folder), program=(sys.executable, "-S", "-c", PRINT))
    subprocess.run(["sh", "-c", given_to_shell(made, halved=True)], check=True, cwd="/")
    said = (folder / ".curate" / "cleanup.cron.log").read_bytes()
    assert said == b"\0".join(map(os.fsencode, made.words))


def test_a_second_one_does_not_begin_and_a_late_one_is_ended(tmp_path: Path) -> None:
    (tmp_path / ".curate").mkdir()
    made = job(str(tmp_path), program=("sh", "-c", "echo begun; exec sleep 20"))
    command = cron.command(made).replace(str(made.bound), "0.5")
    first = subprocess.Popen(["sh", "-c", command])
    log = tmp_path / ".curate" / "cleanup.cron.log"
    while not (log.exists() and log.read_text()):
        pass
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 1
    assert first.wait(10) == 124
    assert log.read_text() == "begun\n"


def test_a_line_that_cron_would_refuse_is_refused_here() -> None:
    with pytest.raises(InputError, match="cron takes 998"):
        cron.units(job("/srv/" + "x" * 400))
    with pytest.raises(InputError, match="Use systemd"):
        cron.units(job("/srv/" + "%" * 250))


lines = st.lists(
    st.sampled_from(["MAILTO=ann\n", "# own\n", "0 1 * * * backup # curate-ish\n", "\n"])
)


@given(lines, lines, st.booleans())
def test_other_lines_stay_and_ours_is_replaced_in_its_place(
    before: list[str], after: list[str], ended: bool
) -> None:
    made, other = job(), job("/srv/other")
    text = "".join([*before, *cron.units(job(at=when("04:00"))).values(), *after])
    text = cron.merged(text if ended else text.rstrip("\n"), other)
    merged = cron.merged(text, made)
    (ours,), (theirs,) = cron.units(made).values(), cron.units(other).values()
    assert merged.count(ours) == 1
    assert merged.index(ours) == len("".join(before))
    assert merged.endswith(theirs)
    assert merged.replace(ours, "").replace(theirs, "").rstrip("\n") == "".join(
        [*before, *after]
    ).rstrip("\n")
    assert cron.merged(merged, made) == merged


def test_a_line_that_stands_twice_stands_once_afterwards() -> None:
    (line,) = cron.units(job()).values()
    assert cron.merged(f"{line}# own\n{line}", job()) == f"{line}# own\n"


@pytest.mark.parametrize("text", ["03:30", "every 1h", "every 6h"])
def test_times_are_read_back_of_the_library_that_is_asked_for(text: str) -> None:
    crontab = cron.merged("@daily x\n0 1 * * * backup\n", job(ODD, at=when(text)))
    assert cron.times(crontab, "cleanup", ODD) == [when(text)]
    assert cron.times(crontab, "cleanup", "/srv/zoo") == []
    assert cron.times(crontab, "nightly", ODD) == []
    assert cron.times("", "cleanup", ODD) == []


def test_units_are_known_by_their_line_alone() -> None:
    (line,) = cron.units(job()).values()
    assert cron.unit_of(line) == job().unit
    for other in (
        f"# {line}",
        "0 3 * * * echo # curate-cleanup-12345678 x",
        "",
        "@daily x # curate-y",
    ):
        assert cron.unit_of(other) == ""
    assert cron.unit_of("0 3 * * * x # curate-cleanup-0") == "curate-cleanup-0"
    assert When(3, 0).cron == "0 3 * * *"
