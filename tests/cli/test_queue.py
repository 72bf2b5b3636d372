"""`curate queue`: what it passes on, what it shows, and what does not go together."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest

from curate import queues
from curate.cli.main import DONE, EXPECTED, answer
from curate.cli.queue import _asked
from curate.cli.queue_options import OPTIONS, filters_of
from curate.cli.split import standing_policy
from curate.core import config
from curate.core.errors import InputError, PolicyError
from curate.queues import Filters
from curate.queues.recipe import QUEUE_COLUMNS
from curate.store import runs
from curate.store.library import opened


@pytest.fixture(autouse=True)
def library(tmp_path: Path) -> Path:
    """Make a library in the working directory."""
    with opened(tmp_path, make=True):
        pass
    (tmp_path / "curate.toml").write_text("[split]\nmin_count = 7\n")
    (tmp_path / "new.pt").write_bytes(b"new")
    (tmp_path / "old.pt").write_bytes(b"old")
    return tmp_path


def table(*expected: float, **columns: object) -> pd.DataFrame:
    """A queue of as many images."""
    rows = [
        {
            **dict.fromkeys(QUEUE_COLUMNS, ""),
            "image_id": f"i{number}",
            "path": f"/photos/{number}.jpg",
            "predicted": "kudu",
            "score": 0.8,
            "expected": value,
            "reason": f"why {number}",
            **columns,
        }
        for number, value in enumerate(expected)
    ]
    made = pd.DataFrame(rows, columns=[*QUEUE_COLUMNS, *columns])
    made.attrs.update(model="m1", checkpoint="m1.pt", other_models=0)
    return made


class Verbs:
    """What the commands called, in the place of the verbs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, given: pd.DataFrame) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        for name in ("queue", "saved", "refresh", "saved_queues", "plan", "yields"):
            monkeypatch.setattr(queues, name, self._verb(name, given), raising=False)
        for name, answers in (
            ("sheet", b"jpeg"),
            ("html_sheet", b"<html>"),
            ("bucket_sheets", [("0-0.1", b"low"), ("0.1-0.2", b"next")]),
            ("write_cleanup", given),
        ):
            monkeypatch.setattr(queues, name, self._verb(name, answers), raising=False)

    def _verb(self, name: str, answers: object) -> Any:
        def called(place: object, *arguments: Any, **options: Any) -> object:
            self.calls.append((name, arguments, options))
            return answers

        return called


@pytest.fixture
def verbs(monkeypatch: pytest.MonkeyPatch) -> Verbs:
    return Verbs(monkeypatch, table(0.9, 0.5, float("nan")))


def test_every_filter_is_an_option_and_every_option_a_filter() -> None:
    assert set(OPTIONS) == {field.name for field in fields(Filters)}
    assert filters_of() == Filters()
    usual = {field.name: field.default for field in fields(Filters)}
    for name in ("limit", "one_per_group", "diverse", "sort", "where"):
        assert OPTIONS[name][1] == usual[name]


def test_all_filters_reach_the_queue(verbs: Verbs, tmp_path: Path) -> None:
    line = (
        "queue low-score --class kudu --class zebra --second gnu --sub-class joey "
        "--class-count 30-45 --min-score 0.1 --max-score 0.6 --min-margin 0.1 --max-margin 0.2 "
        "--min-novelty -1 --max-novelty 2 --origin staged --labelled only --by ann --folder in "
        "--taken-from 2026-05-01 --taken-to 2026-05-31 --camera canon --min-side 10 "
        "--max-side 20 --min-bytes 30 --max-bytes 40 --min-sharpness 1 --max-sharpness 2 "
        "--min-brightness 3 --max-brightness 4 --min-quality 0.1 --max-quality 0.9 --limit 9 "
        "--per-class 3 --all-of-group --diverse --sort -score"
    )
    assert answer([*line.split(), "--where", "score > 0.5"]) == DONE
    (name, (recipe, filters), options), *_ = verbs.calls
    assert (name, recipe) == ("queue", "low-score")
    assert filters == Filters(
        class_=("kudu", "zebra"),
        second="gnu",
        sub_class="joey",
        class_count=(30, 45),
        min_score=0.1,
        max_score=0.6,
        min_margin=0.1,
        max_margin=0.2,
        min_novelty=-1,
        max_novelty=2,
        origin="staged",
        labelled="only",
        by="ann",
        folder=str(tmp_path.resolve() / "in"),
        taken_from="2026-05-01",
        taken_to="2026-05-31",
        camera="canon",
        min_side=10,
        max_side=20,
        min_bytes=30,
        max_bytes=40,
        min_sharpness=1,
        max_sharpness=2,
        min_brightness=3,
        max_brightness=4,
        min_quality=0.1,
        max_quality=0.9,
        limit=9,
        per_class=3,
        one_per_group=False,
        diverse=True,
        sort="-score",
        where="score > 0.5",
    )
    assert options == {"min_count": 7, "count": "groups", "model": None}


def test_what_a_recipe_asks_for_is_passed_on(verbs: Verbs) -> None:
    line = "queue disagree --of gnu --seed 4 --model new.pt --against old.pt --min-count 9"
    assert answer([*line.split(), "--save", "mine"]) == DONE
    _, _, options = verbs.calls[0]
    assert options.pop("model") != options.pop("against")
    assert options == {"min_count": 9, "count": "groups", "of": "gnu", "seed": 4, "save": "mine"}


@pytest.mark.parametrize(
    ("text", "counts"),
    [("30-45", (30, 45)), ("30-", (30, None)), ("-45", (None, 45)), ("3", (3, 3))],
)
def test_a_range_of_counts_is_open_where_nothing_stands(
    text: str, counts: tuple[int | None, int | None]
) -> None:
    assert filters_of(class_count=text).class_count == counts


@pytest.mark.parametrize(
    "typed",
    [
        *({"class_count": text} for text in ("-", "a-b", "3-4-5", "3.5", "²-3")),
        *({"labelled": "yes"}, {"origin": "rea"}, {"sort": "size"}, {"max_score": 2.0}),
    ],
)
def test_what_cannot_be_meant_is_refused(typed: dict[str, Any]) -> None:
    with pytest.raises(PolicyError):
        filters_of(**typed)


def test_a_queue_shows_what_is_expected(verbs: Verbs, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["queue", "low-count", "--csv", "q.csv"]) == DONE
    out = capsys.readouterr().out
    assert "3 images to look at, by the predictions of m1.pt" in out
    assert "About 1 expected right of 2" in out
    assert "expected" in out.split("About")[1]
    assert "curate label import q.csv" in out
    assert len(pd.read_csv("q.csv")) == 3


def test_nothing_is_promised_where_nobody_can_say(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Verbs(monkeypatch, table(float("nan")))
    assert answer(["queue", "recent"]) == DONE
    assert "expected right" not in capsys.readouterr().out


def test_an_empty_queue_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verbs = Verbs(monkeypatch, table())
    assert answer(["queue", "low-score", "--sheet", "q.jpg"]) == DONE
    out = capsys.readouterr().out
    assert "Nothing to look at" in out
    assert "curate status" in out
    assert [name for name, _, _ in verbs.calls] == ["queue"]


def test_json_has_it_all(verbs: Verbs, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["queue", "low-score", "--json", "--sheet", "q.jpg"]) == DONE
    said = json.loads(capsys.readouterr().out)
    assert (said["images"], said["model"], said["expected"]) == (3, "m1", 1.4)
    assert said["rows"][2]["expected"] is None
    assert said["sheets"] == ["q-0-0.1.jpg", "q-0.1-0.2.jpg"]


@pytest.mark.parametrize(
    ("recipe", "sheet", "files"),
    [
        ("low-count", "q.jpg", {"q.jpg": b"jpeg"}),
        ("low-count", "q.html", {"q.html": b"<html>"}),
        ("low-score", "q.HTML", {"q.HTML": b"<html>"}),
        ("low-score", "q.jpg", {"q.jpg": b"jpeg", "q-0-0.1.jpg": b"low", "q-0.1-0.2.jpg": b"next"}),
    ],
)
def test_a_sheet_is_what_its_suffix_says(
    verbs: Verbs, recipe: str, sheet: str, files: dict[str, bytes]
) -> None:
    assert answer(["queue", recipe, "--sheet", sheet]) == DONE
    assert {path.name: path.read_bytes() for path in Path().glob("q*")} == files


def test_a_cleanup_plan_is_written_of_low_scores_alone(
    verbs: Verbs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(["queue", "low-score", "--cleanup", "plan.csv"]) == DONE
    assert verbs.calls[-1][0] == "write_cleanup"
    assert verbs.calls[-1][1][1] == Path("plan.csv")
    assert "nothing was removed" in capsys.readouterr().out
    assert answer(["queue", "low-count", "--cleanup", "plan.csv"]) == EXPECTED
    assert "Ask for low-score" in capsys.readouterr().err


def test_a_plan_shares_out_a_budget(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mixed = table(0.5, 0.25, float("nan"))
    mixed["recipe"] = ["low-count", "low-count", "random"]
    verbs = Verbs(monkeypatch, mixed)
    for budget in ("budget=500", "500"):
        assert answer(["queue", "--plan", budget, "--max-score", "0.5", "--save", "may"]) == DONE
        name, arguments, options = verbs.calls.pop()
        assert (name, arguments) == ("plan", (500, Filters(max_score=0.5)))
        assert options == {"min_count": 7, "count": "groups", "model": None, "save": "may"}
    out = capsys.readouterr().out
    assert "looks" in out
    assert "curate queue --saved may" in out
    assert answer(["queue", "--plan", "500", "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["recipes"] == [
        {"recipe": "low-count", "looks": 2, "expected": 0.75},
        {"recipe": "random", "looks": 1, "expected": None},
    ]


def test_a_saved_queue_is_shown_or_asked_anew(verbs: Verbs) -> None:
    assert answer(["queue", "--saved", "mine"]) == DONE
    assert answer(["queue", "--saved", "mine", "--refresh"]) == DONE
    assert [(name, arguments) for name, arguments, _ in verbs.calls] == [
        ("saved", ("mine",)),
        ("refresh", ("mine",)),
    ]


def test_recipes_and_saved_queues_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Verbs(monkeypatch, pd.DataFrame({"name": ["mine"], "recipe": ["low-count"], "left": [3]}))
    assert answer(["queue", "--list"]) == DONE
    out = capsys.readouterr().out
    for name, recipe in queues.RECIPES.items():
        assert any(line.split() == [name, *recipe.help.split()] for line in out.splitlines())
        assert f"looked for: {recipe.promise}" in out
        assert recipe.promise in out
    assert "mine" in out
    assert answer(["queue", "--list", "--json"]) == DONE
    said = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in said["recipes"]] == list(queues.RECIPES)
    assert said["saved"] == [{"name": "mine", "recipe": "low-count", "left": 3}]


def test_recipes_are_listed_where_there_is_no_library(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert answer(["queue", "--list"]) == DONE


def test_yields_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    came = pd.DataFrame({"recipe": ["low-count"], "looked": [40], "got": [31], "share": [0.775]})
    Verbs(monkeypatch, came)
    assert answer(["queue", "--yields", "--csv", "y.csv"]) == DONE
    assert "0.775" in capsys.readouterr().out
    assert len(pd.read_csv("y.csv")) == 1
    Verbs(monkeypatch, came.head(0))
    assert answer(["queue", "--yields"]) == DONE
    assert "No queue has offered anything" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("queue", "RECIPE: none is given. Known: low-count"),
        ("queue low-count --saved mine", "--saved and RECIPE: these do not go together"),
        ("queue --list --yields", "--list and --yields"),
        ("queue --plan 5 --saved mine", "--saved and --plan"),
        ("queue low-count --refresh", "--refresh: goes with --saved"),
        ("queue --plan 5 --follow", "--follow: goes with RECIPE"),
        ("queue --saved mine --max-score 0.5", "a saved queue has filters of its own"),
        ("queue --plan some", "a budget is a number of looks"),
        ("queue --plan budget=0", "a budget is a number of looks"),
        ("queue low-score --max-score 2", "max-score 2.0"),
        ("queue low-score --labelled yes", "Give also or only"),
        ("queue low-score --where scor>1", "Did you mean score"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_done(
    verbs: Verbs, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    assert answer(line.split()) == EXPECTED
    assert said in capsys.readouterr().err
    assert verbs.calls == []


def test_errors_of_the_verb_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    with patch("curate.queues.queue", side_effect=InputError("stop", "here", "now")):
        assert answer(["queue", "low-score"]) == EXPECTED
    assert "stop: here. now." in capsys.readouterr().err


def test_help_needs_nothing_heavy() -> None:
    code = (
        "import sys; from curate.cli.main import answer; answer(['queue', '--help']); "
        "heavy = {'duckdb', 'pandas', 'torch', 'pyarrow'} & set(sys.modules); sys.exit(len(heavy))"
    )
    path = {"PYTHONPATH": str(Path(queues.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=path, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"--per-class" in done.stdout


def test_a_plan_is_about_all_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    Verbs(monkeypatch, pd.DataFrame({"name": [], "recipe": [], "left": []}))
    assert answer(["queue", "--plan", "budget=5", "--of", "kudu"]) == EXPECTED


@pytest.mark.parametrize("option", ["--of=kudu", "--save=other", "--seed=3", "--min-count=5"])
def test_a_saved_queue_has_a_question_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    Verbs(monkeypatch, pd.DataFrame({"name": [], "recipe": [], "left": []}))
    assert answer(["queue", "--saved", "mine", option]) == EXPECTED
    assert option.partition("=")[0] in capsys.readouterr().err


@pytest.mark.parametrize("ours", ["", "[split]\nmin_count = 4\n"])
@pytest.mark.parametrize("split", [{}, {"min_count": 7, "count": "images"}])
def test_a_queue_counts_as_the_split_does(library: Path, ours: str, split: dict[str, Any]) -> None:
    """It reads what the split was made with by itself, as the import of `curate.splits` is slow."""
    (library / "curate.toml").write_text(ours)
    with opened(library) as place:
        if split:
            with runs.running(place, "split", split):
                pass
        asked = _asked(place, None, None, 0)
        policy = standing_policy(place, config.load(place.root))
    assert (asked["min_count"], asked["count"]) == (policy.min_count, policy.count)
