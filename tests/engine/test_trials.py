"""Every file comes back once, whoever dies; and only a file that ends actors is given up."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.chunks import batched
from curate.core.files import FileEntry
from curate.engine.trials import ATTEMPTS, Trial, Trials


def entries(count: int) -> list[FileEntry]:
    return [FileEntry(str(number).encode(), 1, 0, number) for number in range(count)]


def chunked(every: list[FileEntry], size: int) -> list[list[FileEntry]]:
    return [list(chunk) for chunk in batched(every, size)]


def numbers(chunk: list[FileEntry]) -> list[int]:
    return [int(entry.path) for entry in chunk]


def play(
    trials: Trials, poison: set[int], actors: int, chance: random.Random, accidents: float
) -> tuple[list[int], list[int]]:
    """Work like actors with two chunks each; give the files finished and those given up."""
    finished: list[int] = []
    given_up: list[int] = []
    held: list[list[Trial]] = [[] for _ in range(actors)]
    while True:
        for hand in held:
            while len(hand) < 2 and (trial := trials.give()):
                hand.append(trial)
        busy = [hand for hand in held if hand]
        if not busy:
            return finished, given_up
        hand = chance.choice(busy)
        first = hand[0]
        if poison & set(numbers(first.chunk)):
            trials.back(hand[1:])
            given_up += numbers(trials.ended(first))
            hand.clear()
        elif chance.random() < accidents:
            trials.back(hand)
            hand.clear()
        else:
            finished += numbers(first.chunk)
            hand.pop(0)
            trials.done()


@settings(max_examples=60)
@given(
    count=st.integers(2, 120),
    size=st.integers(1, 40),
    actors=st.integers(1, 4),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_every_file_once_and_only_the_poison_is_given_up(
    count: int, size: int, actors: int, seed: int, data: st.DataObject
) -> None:
    poison = data.draw(st.sets(st.integers(0, count - 1), max_size=5))
    trials = Trials(chunked(entries(count), size))
    chance = random.Random(seed)
    finished, given_up = play(trials, poison, actors, chance, accidents=0.2)
    assert sorted(given_up) == sorted(poison)
    assert sorted(finished) == sorted(set(range(count)) - poison)


def test_chunks_are_read_when_they_are_asked_for() -> None:
    read = []

    def chunks() -> Iterator[list[FileEntry]]:
        for entry in entries(10):
            read.append(entry)
            yield [entry]

    trials = Trials(chunks())
    assert not read
    assert trials.give()
    assert len(read) == 1
    assert trials.ahead(3) == 3
    assert len(read) == 4
    assert trials.ahead(100) == 9


def test_a_suspect_goes_again_at_once_and_then_in_halves_behind_the_others() -> None:
    trials = Trials(chunked(entries(12), 4))
    suspect = trials.give()
    assert suspect
    for _ in range(ATTEMPTS - 1):
        assert trials.ended(suspect) == []
        assert trials.give() is suspect
    trials.ahead(2)
    trials.ended(suspect)
    order = []
    while trial := trials.give():
        order.append(numbers(trial.chunk))
    assert order == [[4, 5, 6, 7], [8, 9, 10, 11], [0, 1], [2, 3]]


def test_what_was_not_begun_goes_first_and_in_order() -> None:
    trials = Trials(chunked(entries(6), 2))
    one, two = trials.give(), trials.give()
    assert one
    assert two
    trials.back([one, two])
    assert trials.give() is one
    assert trials.give() is two


def ends_until_given_up(trials: Trials, done_at: int) -> int:
    """Let the only file end actors; at one of the ends somebody else gets something done."""
    for ends in range(1, 100):
        trial = trials.give()
        assert trial
        if trials.ended(trial):
            return ends
        if ends == done_at:
            trials.done()
    raise AssertionError("never")


def test_a_lone_file_has_to_end_twice_as_many_where_nothing_else_gets_done() -> None:
    assert ends_until_given_up(Trials([entries(1)]), done_at=1) == ATTEMPTS
    assert ends_until_given_up(Trials([entries(1)]), done_at=4) == ATTEMPTS + 2
    assert ends_until_given_up(Trials([entries(1)]), done_at=100) == 2 * ATTEMPTS


def test_what_was_done_before_its_first_end_says_nothing_for_a_machine_that_broke_since() -> None:
    trials = Trials([entries(1)])
    trials.done()
    assert ends_until_given_up(trials, done_at=100) == 2 * ATTEMPTS


def test_a_deed_between_ends_counts_anew() -> None:
    trials = Trials([])
    trials.ended(None)
    trials.ended(None)
    assert trials.ends == 2
    trials.done()
    assert trials.ends == 0
