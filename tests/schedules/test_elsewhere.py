"""Units for Kubernetes, GitHub and Airflow: valid, and the words survive their templates."""

from __future__ import annotations

import ast
import re
import shlex
import sys
from types import ModuleType
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.errors import InputError
from curate.schedules import KINDS, airflow, github, kubernetes, when

from .jobs import ODD, job, utf8_words, words


def manifest(kind: str, **changed: Any) -> Any:
    (text,) = KINDS[kind](job(**changed)).values()
    return yaml.safe_load(text)


def containers(made: Any) -> Any:
    return made["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]


def test_a_cron_job_never_overlaps_and_ends() -> None:
    made = manifest("k8s")
    assert made["spec"]["concurrencyPolicy"] == "Forbid"
    assert made["spec"]["schedule"] == "0 3 * * *"
    assert made["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] == job().bound
    (container,) = containers(made)
    assert container["command"] == ["curate", *job().words]
    assert container["volumeMounts"] == [{"name": "library", "mountPath": "/srv/zoo"}]
    assert container["envFrom"] == [{"secretRef": {"name": "curate", "optional": True}}]


@pytest.mark.parametrize("library", ["/srv/zoo", ODD, "/srv/1e3 # x"])
def test_a_cron_job_fits_the_schema_of_kubernetes(library: str) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is missing")
    made = manifest("k8s", library=library, at=when("every 6h"))
    validate.validate(made, "1.27", strict=True)
    made["spec"]["concurrencyPolicy"] = 3
    with pytest.raises(validate.ValidationError):
        validate.validate(made, "1.27", strict=True)


@given(utf8_words, st.lists(utf8_words, max_size=2))
@settings(max_examples=30)
def test_kubernetes_expands_nothing_in_any_word(library: str, options: list[str]) -> None:
    folder = f"/srv/{library.replace(':', '')}"
    made = manifest("k8s", library=folder, options=tuple(options))
    (container,) = containers(made)
    # `$$` stands for `$`, and `$(NAME)` for a variable; there is no bare `$`.
    for word in container["command"]:
        assert "$" not in word.replace("$$", "")
    found = [word.replace("$$", "$") for word in container["command"][1:]]
    assert found == list(job(folder, options=tuple(options)).words)
    assert container["volumeMounts"][0]["mountPath"] == folder


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"image": ""}, "--image"),
        ({"claim": ""}, "--claim"),
        ({"library": "/srv/a:b"}, "colon"),
        ({"library": "/srv/\udcff"}, "not UTF-8"),
    ],
)
def test_what_kubernetes_cannot_say_is_refused(changed: dict[str, str], match: str) -> None:
    with pytest.raises(InputError, match=match):
        kubernetes.units(job(**changed))


def test_a_workflow_runs_one_at_a_time_on_a_machine_of_ours() -> None:
    made = manifest("github")
    assert made["concurrency"] == {"group": job().unit, "cancel-in-progress": False}
    assert made["on"]["schedule"] == [{"cron": "0 3 * * *"}]
    (work,) = made["jobs"].values()
    assert work["runs-on"] == "self-hosted"
    assert work["timeout-minutes"] * 60 >= job().bound
    assert work["env"]["CURATE_WEBHOOK"] == "${{ secrets.CURATE_WEBHOOK }}"
    with pytest.raises(InputError, match="not UTF-8"):
        github.units(job("/srv/\udcff"))


@pytest.mark.parametrize("library", ["/srv/zoo", ODD, "/srv/${{ x }}"])
def test_a_workflow_fits_the_schema_of_github(library: str) -> None:
    schemas = pytest.importorskip(
        "check_jsonschema.builtin_schemas", reason="check-jsonschema is missing"
    )
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is missing")
    schema = schemas.get_builtin_schema("vendor.github-workflows")
    made = manifest("github", library=library)
    jsonschema.validate(made, schema)
    made["jobs"]["cleanup"]["timeout-minute"] = 3
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(made, schema)


@given(utf8_words, st.lists(utf8_words, max_size=2))
@settings(max_examples=30)
def test_github_and_its_shell_give_the_words(library: str, options: list[str]) -> None:
    made = manifest("github", library=f"/srv/{library}", options=tuple(options))
    (work,) = made["jobs"].values()
    line = work["steps"][0]["run"]
    # The only expression in it is a text: that of an opening itself.
    said = re.sub(r"\$\{\{ '(.*?)' \}\}", lambda found: found[1], line)
    assert "${{" not in line.replace("${{ '${{' }}", "")
    found = shlex.split(said)
    assert found[found.index("curate") + 1 :] == list(
        job(f"/srv/{library}", options=tuple(options)).words
    )


def test_an_expression_of_github_in_a_name_is_a_name() -> None:
    (work,) = manifest("github", library="/srv/${{ secrets.X }}")["jobs"].values()
    assert "/srv/${{ '${{' }} secrets.X }}" in work["steps"][0]["run"]


class Fake(ModuleType):
    """As much of Airflow as a DAG of ours asks for; it remembers what it was told."""

    def __init__(self) -> None:
        super().__init__("airflow.sdk")
        self.told: dict[str, Any] = {}

    def dag(self, **options: Any) -> Any:
        self.told["dag"] = options
        return lambda function: function

    def task(self, **options: Any) -> Any:
        self.told["task"] = options
        return lambda function: function


@pytest.fixture(params=["airflow.sdk", "airflow.decorators"])
def fake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Airflow 3, and Airflow 2, which has other names."""
    made = Fake()
    monkeypatch.setitem(sys.modules, "airflow", ModuleType("airflow"))
    monkeypatch.setitem(sys.modules, "airflow.sdk", None)
    monkeypatch.setitem(sys.modules, request.param, made)
    return made


def test_a_dag_runs_the_words_and_never_two_at_once(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    (text,) = airflow.units(job(ODD)).values()
    ran: list[Any] = []
    monkeypatch.setattr("subprocess.run", lambda command, **options: ran.append((command, options)))
    exec(compile(text, "dag.py", "exec"), {})
    ((command, options),) = ran
    assert command[-len(job(ODD).words) :] == list(job(ODD).words)
    assert options == {"check": True}
    assert fake.told["dag"]["max_active_runs"] == 1
    assert fake.told["dag"]["catchup"] is False
    assert fake.told["dag"]["schedule"] == "0 3 * * *"
    assert fake.told["task"]["execution_timeout"].total_seconds() == job().bound


@given(words, st.lists(words, max_size=2))
def test_a_dag_holds_any_words(library: str, options: list[str]) -> None:
    made = job(f"/srv/{library}", options=tuple(options))
    ((name, text),) = airflow.units(made).items()
    assert name.removesuffix(".py").isidentifier()
    assert text.isascii()
    (found,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign)
    )
    assert found[-len(made.words) - len(made.program) :] == [*made.program, *made.words]
