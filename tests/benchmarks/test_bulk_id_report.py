from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import bulk_id_report as reporting
from benchmarks.bulk_id_report import DECODE, FORWARD, OURS, Found, Record

RATES = st.floats(0.1, 1e6)


def rows(*given: tuple[str, list[tuple[int, float]]]) -> pd.DataFrame:
    """Rows of files, each with its best classes and their scores."""
    return pd.DataFrame(
        [
            {"file": file}
            | {f"class_{n}": name for n, (name, _) in enumerate(best, 1)}
            | {f"score_{n}": score for n, (_, score) in enumerate(best, 1)}
            for file, best in given
        ]
    )


BEST = [(7, 0.5), (3, 0.2), (1, 0.1), (2, 0.05), (4, 0.04)]


@given(RATES, RATES)
def test_what_cores_do_in_turn_is_slower_than_either_and_no_slower_than_half(
    decode: float, forward: float
) -> None:
    both = reporting.shared(decode, forward)
    assert min(decode, forward) / 2 <= both * (1 + 1e-9)
    assert both <= min(decode, forward)


def test_cores_that_do_two_equal_things_do_each_half_as_fast() -> None:
    assert reporting.shared(300, 300) == pytest.approx(150)
    assert reporting.shared(1500, 150) == pytest.approx(136.36, abs=0.01)


def test_equal_rows_agree() -> None:
    table = rows(("a", BEST), ("b", BEST))
    assert reporting.agreement(table, table) == reporting.Agreement(2, 2, 0.0, 0.0)


def test_rows_are_compared_by_file_and_only_where_both_have_one() -> None:
    other = [(9, 0.6), *BEST[1:]]
    ours, theirs = rows(("b", other), ("a", BEST), ("c", BEST)), rows(("a", BEST), ("b", other))
    assert reporting.agreement(ours, theirs) == reporting.Agreement(2, 2, 0.0, 0.0)


def test_scores_are_compared_by_class_whatever_its_place() -> None:
    ours = [(3, 0.21), (7, 0.2), *BEST[2:]]
    found = reporting.agreement(rows(("a", ours)), rows(("a", BEST)))
    assert (found.images, found.same) == (1, 0)
    assert found.difference == pytest.approx(0.3)
    assert found.margin == pytest.approx(0.3)


def test_a_failure_is_nobodys_match() -> None:
    ours = rows(("a", BEST), ("b", BEST))
    ours.loc[1, "class_1"] = math.nan
    assert reporting.agreement(ours, rows(("a", BEST), ("b", BEST))).images == 1


def a_round(turn: int, slow: float = 1.0) -> list[Record]:
    """One round on a machine that is so many times as slow."""
    rates = {OURS: 90, DECODE: 900, FORWARD: 100, "timm": 30}
    return [Record(turn, "net", name, rate / slow) for name, rate in rates.items()]


@given(st.lists(st.floats(0.5, 20), min_size=1, max_size=5))
def test_shares_and_ratios_do_not_depend_on_how_noisy_a_round_was(slow: list[float]) -> None:
    records = [one for turn, by in enumerate(slow) for one in a_round(turn, by)]
    assert reporting.shares(records, "net", OURS, min) == pytest.approx([0.9] * len(slow))
    assert reporting.shares(records, "net", OURS, reporting.shared) == pytest.approx(
        [1.0] * len(slow)
    )
    assert reporting.ratios(records, "net", OURS, "timm") == pytest.approx([3.0] * len(slow))


def test_a_program_with_limits_of_its_own_is_held_to_them() -> None:
    alike = f"{OURS} --backend torch"
    own = reporting.limit_name(FORWARD, alike)
    records = [*a_round(0), Record(0, "net", alike, 40), Record(0, "net", own, 50)]
    assert own != FORWARD
    assert reporting.shares(records, "net", alike, min) == pytest.approx([0.8])
    assert reporting.shares(records, "net", OURS, min) == pytest.approx([0.9])


def test_rounds_that_lack_one_of_the_two_count_nothing() -> None:
    records = [*a_round(0), Record(1, "net", OURS, 80), Record(1, "net", "timm", failed="no")]
    assert reporting.ratios(records, "net", OURS, "timm") == pytest.approx([3.0])
    assert len(reporting.shares(records, "net", OURS, min)) == 1


def test_the_report_says_what_was_measured_and_what_failed() -> None:
    records = [*a_round(0), *a_round(1, 2), Record(0, "net", "Ray Data", failed="no ray")]
    told = reporting.report(
        Found(
            ["two cores"],
            records,
            {("net", OURS, "fp32"): reporting.Agreement(10, 9, 0.01, 0.02)},
        )
    )
    assert told.startswith("* two cores\n")
    assert "| curate | 68 (45–90) | 10% (10%–10%) | 90% (90%–90%) |" in told
    assert "| curate / timm | 3.00 (3.00–3.00) |" in told
    assert "| net | curate | fp32 | 10 | 9 | 0.0100 | 2.0e-02 |" in told
    assert "* Ray Data with net failed: no ray" in told


def test_a_share_is_told_of_what_is_ours_only() -> None:
    lines = reporting.report(Found([], a_round(0))).splitlines()
    (line,) = [line for line in lines if line.startswith("| timm |")]
    assert "%" not in line


def test_columns_without_a_cell_are_left_out_and_bars_are_escaped() -> None:
    told = reporting.table(("a", "b", "c"), [("x", "", "1|2"), ("", "", "3")])
    assert told.splitlines() == ["| a | c |", "| --- | --- |", r"| x | 1\|2 |", "|  | 3 |"]


@pytest.mark.parametrize(
    ("values", "said"),
    [([], ""), ([math.nan], ""), ([3.0], "3"), ([3.0, 1.0, 2.0, math.nan], "2 (1–3)")],
)
def test_a_spread_is_the_median_and_both_ends(values: list[float], said: str) -> None:
    assert reporting.spread(values, ".0f") == said
