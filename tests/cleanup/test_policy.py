"""The policy is what curate.toml says; people approve what they read of it, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from curate.cleanup import policy as policies
from curate.cleanup.policy import DEFAULT, Policy, Rule, approve, approved, digest, said
from curate.cleanup.recipes import RECIPES, Recipe
from curate.core import config
from curate.core.errors import FaultsError
from curate.store import run_rows
from curate.store.library import Library

TOML = """
[cleanup]
grace = "10d"
max_share = 0.25
surge = 3

[cleanup.rules.junk]
recipe = "low-score"
max_score = 0.1
class = ["kudu"]
older_than = "14d"
limit = 500

[cleanup.rules.blank]
recipe = "blank"
action = "list"
"""


def loaded(folder: Path, text: str) -> Policy:
    (folder / config.FILE).write_text(text)
    return policies.policy_of(config.load(folder).cleanup)


def test_rules_come_in_their_order_with_their_filters(tmp_path: Path) -> None:
    policy = loaded(tmp_path, TOML)
    junk, blank = policy.rules
    filters = {"max_score": 0.1, "class": ["kudu"]}
    assert junk == Rule("junk", "low-score", filters, timedelta(days=14), 500)
    assert blank == Rule("blank", "blank", action="list")
    assert (policy.grace, policy.max_share, policy.surge) == (timedelta(days=10), 0.25, 3)


def test_without_rules_the_default_holds_with_the_limits_that_are_given(tmp_path: Path) -> None:
    assert [rule.name for rule in loaded(tmp_path, "").rules] == list(DEFAULT)
    policy = loaded(tmp_path, "[cleanup]\nmax_share = 0.5\n")
    assert (policy.max_share, len(policy.rules)) == (0.5, len(DEFAULT))
    assert all(rule.recipe in RECIPES for rule in policy.rules)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[cleanup]\ngrase = '3d'", "cleanup.grase: unknown key; did you mean 'grace'?"),
        ("[cleanup]\ngrace = 'soon'", "cleanup.grace: 'soon' is no length of time"),
        ("[cleanup]\nmax_share = 0", "cleanup.max_share"),
        ("[cleanup]\nmax_share = 1.5", "cleanup.max_share"),
        ("[cleanup]\nsurge = 0.5", "cleanup.surge"),
        ("[cleanup.rules.a]\nlimit = 3", "cleanup.rules.a.recipe: field required"),
        ("[cleanup.rules.a]\nrecipe = 'blank'\nlimit = 0", "cleanup.rules.a.limit"),
        ("[cleanup.rules.a]\nrecipe = 'blank'\nolder_than = '3'", "write one such as 30d"),
        ("[cleanup.rules.a]\nrecipe = 'blank'\naction = 'delete'", "cleanup.rules.a.action"),
        ("[cleanup.rules.'a/b']\nrecipe = 'blank'", "the name of rule 'a/b' would not be one"),
    ],
)
def test_faults_of_the_settings_are_told(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(FaultsError) as found:
        loaded(tmp_path, text)
    assert fault in str(found.value)


def test_a_policy_is_said_in_words(tmp_path: Path) -> None:
    assert said(loaded(tmp_path, TOML)) == [
        'junk: the queue low-score; class ["kudu"]; max_score 0.1; known for 14d or longer; '
        "at most 500 images a run; into quarantine",
        f"blank: {RECIPES['blank'].help}; listed only",
        "files stay in quarantine for 10d at least",
        "stop and ask: above 25% of the pool in one run, or when a rule wants more than 3 times "
        "its usual amount",
    ]


def test_another_number_is_another_policy_also_inside_a_recipe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = Policy((Rule("a", "blank"), Rule("b", "low-score", {"max_score": 0.1})))
    others = [
        replace(policy, rules=policy.rules[::-1]),
        replace(policy, max_share=0.2),
        replace(policy, grace=timedelta(days=1)),
        replace(policy, surge=11),
        replace(policy, quarantine="/elsewhere"),
        replace(policy, rules=(policy.rules[0], Rule("b", "low-score", {"max_score": 0.11}))),
    ]
    assert len({digest(policy), *map(digest, others)}) == 1 + len(others)
    before = digest(policy)
    blank = RECIPES["blank"]
    monkeypatch.setitem(RECIPES, "blank", Recipe("blank up to 99", blank.reads, blank.find))
    assert digest(policy) != before


def test_the_policy_that_was_approved_last_counts(library: Library) -> None:
    one, other = Policy((Rule("a", "blank"),)), Policy((Rule("b", "blank"),))
    with library.reading() as connection:
        assert approved(connection) is None
    assert approve(library, one, "ann")
    assert approve(library, other, "bob")
    assert not approve(library, other, "bob")
    with library.reading() as connection:
        assert approved(connection) == digest(other)
        runs = run_rows.recorded(connection, stage=policies.STAGE)
    assert [run.summary["said"] for run in runs] == [said(other), said(one)]
    assert approve(library, one, "ann")
    with library.reading() as connection:
        assert approved(connection) == digest(one)
