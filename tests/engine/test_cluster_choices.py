"""What is decided before an actor runs: how much one takes, how many there are, what is refused."""

from __future__ import annotations

import pickle
import sys

import pytest

from curate.core.errors import InputError
from curate.core.files import FileEntry
from curate.engine.cluster import (
    Cluster,
    _check_versions,
    _last_line,
    _needs,
    _portable,
    _told,
    _versions,
    each_chunk,
)
from curate.engine.work import Work

WORK = Work("tests.engine.chunk_work:doubler")
CHUNK = [FileEntry(b"1", 1, 0, 0)]

Node = dict[str, float]


def room(cluster: Cluster, *nodes: Node) -> tuple[str, int]:
    needs = _needs(cluster, {str(place): node for place, node in enumerate(nodes)})
    return str(needs), sum(needs.room(node) for node in nodes)


@pytest.mark.parametrize(
    ("cluster", "nodes", "needs", "places"),
    [
        (Cluster(), [{"CPU": 8}, {"CPU": 5}], "2 CPU", 6),
        (Cluster(), [{"CPU": 8}, {"CPU": 1}], "1 CPU", 9),
        (Cluster(cpus=4), [{"CPU": 8}, {"CPU": 5}, {"CPU": 2}], "4 CPU", 3),
        # a head that does no work itself
        (Cluster(), [{"CPU": 0}, {"CPU": 8}], "2 CPU", 4),
        (Cluster(), [{"CPU": 16, "GPU": 2}, {"CPU": 32, "GPU": 8}], "4 CPU and 1 GPU", 10),
        # nodes without a GPU stay out where there are some with
        (Cluster(), [{"CPU": 64}, {"CPU": 8, "GPU": 1}], "8 CPU and 1 GPU", 1),
        (Cluster(gpus=0.5), [{"CPU": 16, "GPU": 2}], "4 CPU and 0.5 GPU", 4),
        (Cluster(gpus=1), [{"CPU": 2, "GPU": 4}], "1 CPU and 1 GPU", 2),
        (Cluster(gpus=1), [{"CPU": 2}], "1 CPU and 1 GPU", 0),
        (Cluster(), [], "1 CPU", 0),
    ],
)
def test_what_an_actor_takes_and_how_many_there_are(
    cluster: Cluster, nodes: list[Node], needs: str, places: int
) -> None:
    assert room(cluster, *nodes) == (needs, places)


def test_nodes_are_told_in_a_few_words() -> None:
    assert _told({}) == "nothing"
    assert _told({"a": {"CPU": 2.0}, "b": {"CPU": 8.0, "GPU": 1.0}}) == (
        "2 CPU and 0 GPU; 8 CPU and 1 GPU"
    )
    assert _told({str(n): {"CPU": 2.0} for n in range(50)}).count("CPU") == 8


def test_without_ray_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"--engine ray: Ray is not installed") as caught:
        list(each_chunk([CHUNK], WORK, Cluster()))
    assert "pip install 'curate[ray]'" in caught.value.remedy


def test_nothing_to_do_needs_no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert list(each_chunk([], WORK, Cluster())) == []


def test_arguments_that_cannot_travel_are_told_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises((AttributeError, pickle.PicklingError), match="pickle"):
        list(each_chunk([CHUNK], Work("a:b", {"f": lambda: None}), Cluster()))


def test_versions_must_be_ours() -> None:
    _check_versions("node-1", _versions())
    with pytest.raises(InputError, match=r"^python 3.8 on node node-1"):
        _check_versions("node-1", _versions() | {"python": "3.8"})
    with pytest.raises(InputError, match=r"^curate None on node node-1"):
        _check_versions("node-1", {"python": _versions()["python"]})


class Needy(Exception):
    """Pickles, and does not come back."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


def test_any_exception_is_made_fit_to_travel() -> None:
    kept = _portable(ValueError("bad"))
    assert isinstance(kept, ValueError)
    made = _portable(Needy("one", "two"))
    assert str(made) == "Needy: one two"
    back = pickle.loads(pickle.dumps(made))
    assert back.__notes__[0].startswith("On node")


def test_the_last_line_of_an_error_is_what_it_says() -> None:
    assert _last_line(ValueError("first\n  last  \n\n")) == "last"
    assert _last_line(ValueError()) == "ValueError"
    assert len(_last_line(ValueError("x" * 1000))) == 300
