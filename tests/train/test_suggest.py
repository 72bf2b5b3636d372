from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.core.errors import InputError
from curate.train.suggest import SUGGESTIONS, falling, settled, smoothed, suggestions

LOSS = st.floats(0.01, 1e4)
LOSSES = st.lists(LOSS, min_size=1, max_size=40)
SOME = st.one_of(
    st.lists(LOSS, min_size=3, max_size=30),
    # Of numbers at random hardly any curve falls.
    st.lists(st.integers(20, 30), min_size=9, max_size=30).map(
        lambda steps: [float(loss) for loss in np.cumsum(steps[::-1])[::-1]]
    ),
)


def planted(count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Give a curve with its dip at 1e-2 and a rise from 0.1 on, a little uneven."""
    lrs = np.geomspace(1e-6, 10, count)
    x = np.log10(lrs)
    losses = 2 - 1.2 * np.exp(-((x + 2) ** 2) / 2) + np.where(x > -1, (x + 1) ** 2, 0)
    return lrs, losses + 0.03 * np.sin(7 * np.arange(count))


def rates(table: pd.DataFrame) -> dict[str, float]:
    return dict(zip(table["name"], table["lr"], strict=True))


def test_smoothing_is_a_weighted_mean_without_bias_to_zero() -> None:
    # The same losses through fastai 2.8.12's AvgSmoothLoss.
    losses = [3.0, 1.0, 2.0, 8.0]
    expected = [3.0, 1.9898989898989876, 1.993334240239422, 3.540809028872687]
    np.testing.assert_allclose(smoothed(losses), expected, rtol=1e-12)
    expected = [3.0, 1.6666666666666667, 1.8571428571428572, 5.133333333333334]
    np.testing.assert_allclose(smoothed(losses, 0.5), expected, rtol=1e-12)


def test_no_smoothing_changes_nothing() -> None:
    assert smoothed([3.0, 1.0, 2.0], 0).tolist() == [3, 1, 2]
    assert smoothed([]).tolist() == []


@given(LOSSES, st.floats(0, 0.99))
def test_a_smoothed_loss_lies_between_the_losses_so_far(losses: list[float], beta: float) -> None:
    values = smoothed(losses, beta)
    lowest, highest = np.minimum.accumulate(losses), np.maximum.accumulate(losses)
    assert (values >= lowest * (1 - 1e-9)).all()
    assert (values <= highest * (1 + 1e-9)).all()


@given(LOSSES, st.integers(0, 40))
def test_a_smoothed_loss_knows_nothing_of_what_follows(losses: list[float], cut: int) -> None:
    np.testing.assert_array_equal(smoothed(losses)[:cut], smoothed(losses[:cut]))


@given(st.lists(st.integers(0, 12), max_size=14))
def test_the_longest_fall_is_that_of_trying_all_pairs(losses: list[int]) -> None:
    lengths: list[int] = []
    for at, loss in enumerate(losses):
        lengths.append(1 + max((lengths[j] for j in range(at) if losses[j] > loss), default=0))
    longest = max(lengths, default=0)
    end = lengths.index(longest) if lengths else 0
    assert falling([float(loss) for loss in losses]) == (longest, end)


def test_suggestions_are_those_of_fastai() -> None:
    # The same curves through fastai 2.8.12's valley, steep and minimum.
    lrs, losses = planted()
    expected = [0.00017957144943716409, 0.0004075392965871778, 0.0008227241341700473]
    assert suggestions(lrs, losses)["lr"].tolist() == pytest.approx(expected, rel=1e-9)
    expected = [0.0005355666917706902, 0.004763938010401341, 0.01263848202934297]
    found = suggestions(lrs, smoothed(losses))
    assert found["lr"].tolist() == pytest.approx(expected, rel=1e-9)


def test_suggestions_have_the_loss_and_a_reason() -> None:
    lrs, losses = planted()
    table = suggestions(lrs, losses)
    assert list(table.columns) == ["name", "lr", "loss", "reason"]
    assert list(table["name"]) == list(SUGGESTIONS) == ["valley", "steepest", "minimum"]
    by_name = table.set_index("name")
    at = np.flatnonzero(lrs == by_name.loc["steepest", "lr"])[0]
    assert by_name.loc["steepest", "loss"] == losses[at]
    assert losses[at + 1] < losses[at]
    assert by_name.loc["minimum", "loss"] == losses.min()
    assert by_name.loc["minimum", "lr"] == pytest.approx(lrs[losses.argmin()] / 10)
    assert "half-way along the longest fall" in str(by_name.loc["valley", "reason"])
    assert "a tenth of 0.0082" in str(by_name.loc["minimum", "reason"])


def test_the_minimum_at_the_upper_bound_is_told() -> None:
    lrs = np.geomspace(1e-7, 1e-3, 40)
    table = suggestions(lrs, np.linspace(2, 1, 40)).set_index("name")
    assert "still falls there" in str(table.loc["minimum", "reason"])
    table = suggestions(*planted()).set_index("name")
    assert "still falls" not in str(table.loc["minimum", "reason"])


@pytest.mark.parametrize(
    ("losses", "way"),
    [
        (np.full(40, 2.0), "stays flat"),
        (np.full(1, 2.0), "stays flat"),
        (np.full(0, 2.0), "ended before"),
        (np.zeros(40), "stays flat"),
        (2 + 0.001 * np.sin(np.arange(40)), "stays flat"),
        (np.linspace(2, 1.995, 40), "stays flat"),
        (np.linspace(2, 9, 40), "only rises"),
        (np.r_[np.full(20, 2.0), np.geomspace(2, 50, 20)], "only rises"),
    ],
)
def test_a_curve_that_never_falls_suggests_nothing(losses: np.ndarray, way: str) -> None:
    table = suggestions(np.geomspace(1e-7, 1, 40)[: len(losses)], losses)
    assert list(table["name"]) == list(SUGGESTIONS)
    assert table["lr"].isna().all()
    assert table["loss"].isna().all()
    assert table["reason"].str.contains(way).all()


def test_noise_suggests_nothing() -> None:
    random = np.random.default_rng(3)
    lrs = np.geomspace(1e-7, 100, 85)
    tables = [suggestions(lrs, smoothed(random.normal(2, 0.2, 100))[10:95]) for _ in range(200)]
    assert sum(table["lr"].notna().any() for table in tables) < 20
    reasons = pd.concat(tables)["reason"]
    assert reasons.str.contains("wanders").sum() > 100


def test_a_fall_in_noise_is_found() -> None:
    random = np.random.default_rng(4)
    lrs = np.geomspace(1e-7, 1, 100)
    clear = 2 - 0.6 / (1 + np.exp(-3 * (np.log10(lrs) + 3)))
    for _ in range(50):
        table = suggestions(lrs[10:], smoothed(clear + random.normal(0, 0.2, 100))[10:])
        assert table["lr"].notna().all()


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_what_follows_a_number_that_is_none_is_not_looked_at(odd: float) -> None:
    lrs, losses = planted()
    cut = losses.copy()
    cut[45] = odd
    cut[46:] = -1e9
    pd.testing.assert_frame_equal(
        suggestions(lrs, cut), suggestions(lrs[:45], losses[:45]), check_exact=True
    )


@given(SOME, st.integers(-6, 6), st.integers(-3, 3))
def test_units_do_not_matter(losses: list[float], loss_power: int, lr_power: int) -> None:
    """Another scale of the loss changes nothing; one of the rates goes along.

    Powers of two, which change no digit.
    """
    lrs = np.geomspace(1e-4, 1, len(losses))
    found = suggestions(lrs, losses)
    other = suggestions(lrs, np.array(losses) * 2.0**loss_power)
    np.testing.assert_array_equal(found["lr"], other["lr"])
    moved = rates(suggestions(lrs * 2.0**lr_power, losses))
    for name, lr in rates(found).items():
        # Equal falls may swap places by the last digit of a logarithm.
        if name != "steepest":
            np.testing.assert_array_equal(moved[name], lr * 2.0**lr_power)


@given(SOME)
def test_a_suggestion_lies_in_the_range(losses: list[float]) -> None:
    lrs = np.geomspace(1e-4, 1, len(losses))
    found = suggestions(lrs, losses)
    assert found["lr"].isna().all() or found["lr"].notna().all()
    for row in found.dropna().to_dict("records"):
        lr = float(row["lr"]) * (10 if row["name"] == "minimum" else 1)
        assert lrs[0] <= lr * (1 + 1e-9)
        assert lr <= lrs[-1] * (1 + 1e-9)
        assert row["loss"] in losses


@pytest.mark.parametrize(
    ("lrs", "losses"),
    [([1.0, 2.0], [1.0]), ([2.0, 1.0], [1.0, 2.0]), ([0.0, 1.0], [1.0, 2.0]), ([[1.0]], [[1.0]])],
)
def test_what_is_no_curve_is_refused(lrs: list[float], losses: list[float]) -> None:
    with pytest.raises(InputError):
        suggestions(lrs, losses)


@pytest.mark.parametrize(
    ("made", "steps", "first", "last"),
    [(100, 100, 11, 95), (80, 100, 11, 75), (12, 100, None, None), (3, 20, None, None)],
)
def test_the_ends_of_a_curve_are_left_out(
    made: int, steps: int, first: int | None, last: int | None
) -> None:
    part = settled(pd.DataFrame({"step": range(1, made + 1)}), steps)["step"]
    assert (part.iloc[0], part.iloc[-1]) == (first, last) if first else part.empty
