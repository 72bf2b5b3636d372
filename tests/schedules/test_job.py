"""Times of schedules, and how units are called."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.core.errors import InputError
from curate.schedules import KINDS, When, when

from .jobs import job


@pytest.mark.parametrize(
    ("text", "expected", "cron"),
    [
        ("03:00", When(3, 0), "0 3 * * *"),
        ("3:05", When(3, 5), "5 3 * * *"),
        ("23:59", When(23, 59), "59 23 * * *"),
        ("every 6h", When(0, 0, 6), "0 */6 * * *"),
        ("every 1h", When(0, 0, 1), "0 * * * *"),
    ],
)
def test_times_are_read_as_people_write_them(text: str, expected: When, cron: str) -> None:
    assert when(text) == expected
    assert expected.cron == cron


@pytest.mark.parametrize("text", ["", "24:00", "3", "03:60", "every 5h", "every 0h", "6h", "-3:00"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="'every 6h'"):
        when(text)


times = st.one_of(
    st.builds(When, st.integers(0, 23), st.integers(0, 59)),
    st.builds(When, st.just(0), st.just(0), st.sampled_from([1, 2, 3, 4, 6, 8, 12])),
)


@given(times, st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)))
def test_the_next_time_is_the_first_one_that_fits(at: When, now: datetime) -> None:
    found = at.after(now)
    assert now < found <= now + timedelta(hours=at.every)
    assert found.minute == at.minute
    assert found.hour in at.hours
    assert at.after(found - timedelta(microseconds=1)) == found


def test_units_of_two_libraries_and_of_two_jobs_have_names_of_their_own() -> None:
    units = {job(folder, name=name).unit for folder in ("/a", "/b") for name in ("cleanup", "n")}
    assert len(units) == 4


def test_whoever_starts_a_job_waits_longer_than_the_job_gives_itself() -> None:
    made = job(time_out=timedelta(hours=2), options=("--prometheus=/x",))
    assert made.words[-3:] == ("--time-out", "2h", "--prometheus=/x")
    assert made.bound > 7200


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_bounds_the_job_and_holds_no_secret(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURATE_WEBHOOK", "https://example.org/s3cret")
    monkeypatch.setenv("CURATE_SMTP_PASSWORD", "s3cret")
    text = "".join(KINDS[kind](job(time_out=timedelta(hours=2))).values())
    assert "s3cret" not in text
    assert str(7260 // 60 if kind == "github" else 7260) in text
    assert all(word in text for word in ("jobs", "run", "cleanup", "/srv/zoo"))
