"""The script draws the same zoo again, and every animal is really in its picture."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from draw import main
from PIL import Image
from zoo.animals import ANIMALS, TOYS
from zoo.canvas import Layer, Place
from zoo.chance import generator
from zoo.files import contents, draw_entry, write
from zoo.picture import Shot, draw_shot
from zoo.plan import Entry, plan
from zoo.pose import Pose
from zoo.shapes import Array


def some(entries: list[Entry]) -> list[Entry]:
    """Give one entry of every way a file is made, with the originals of copies."""
    first: dict[str, Entry] = {}
    for entry in entries:
        first.setdefault(entry.made, entry)
    chosen = {entry.path: entry for entry in first.values()}
    for entry in first.values():
        if entry.duplicate_of:
            original = next(e for e in entries if e.path == entry.duplicate_of)
            chosen[original.path] = original
    return sorted(chosen.values(), key=lambda entry: entry.path)


def test_the_same_seed_draws_the_same_bytes(tmp_path: Path, entries: list[Entry]) -> None:
    chosen = some(entries)
    for name in ("one", "two"):
        write(chosen, tmp_path / name, 2026)
    for path in ["truth.csv", *(entry.path for entry in chosen)]:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()


def test_the_order_of_drawing_changes_nothing(entries: list[Entry]) -> None:
    chosen = [entry for entry in some(entries) if not entry.junk][:5]
    forth = {entry.path: data for entry, data in contents(chosen, 2026, 1)}
    back = {entry.path: data for entry, data in contents(chosen[::-1], 2026, 1)}
    assert forth == back


def test_the_committed_pictures_are_what_the_script_draws(zoo: Path, entries: list[Entry]) -> None:
    # Pixels, not bytes: another version of the JPEG encoder may write other bytes.
    for entry in [e for e in entries if not e.duplicate_of and not e.junk][::200]:
        drawn = Image.open(io.BytesIO(draw_entry(entry, 2026)))
        with Image.open(zoo / entry.path) as committed:
            assert drawn.size == committed.size
            gap = np.abs(np.asarray(drawn, dtype=float) - np.asarray(committed, dtype=float))
        assert gap.mean() < 2, entry.path


def test_another_seed_plans_and_draws_another_zoo(entries: list[Entry]) -> None:
    other = plan(7)
    assert [entry.path for entry in other] != [entry.path for entry in entries]
    shot = Shot("lion/male", "real", "a test")
    assert draw_shot(shot, 7).tobytes() != draw_shot(shot, 2026).tobytes()


def test_frames_of_a_burst_are_near_but_not_equal() -> None:
    def glance(scene: str, frame: int) -> Array:
        shot = Shot("elephant/african", "real", scene, frame)
        return np.asarray(draw_shot(shot, 2026).resize((18, 14)), dtype=float)

    frames = [glance("moment", frame) for frame in range(3)]
    near = [np.abs(frames[0] - frame).mean() for frame in frames[1:]]
    far = np.abs(frames[0] - glance("another moment", 0)).mean()
    assert all(0.2 < gap < far / 2 for gap in near), (near, far)


@pytest.mark.parametrize("name", ANIMALS)
def test_an_animal_covers_its_ground_in_every_pose(name: str) -> None:
    for kind in ANIMALS[name].poses:
        layers = [Layer((240, 160), Place(120, 150, 50)) for _ in range(2)]
        pose = Pose(kind, 0.3, 0.0, 0.2, True)
        ANIMALS[name].paint((layers[0], layers[1]), pose, generator(1, name))
        cover = np.maximum(layers[0].cover, layers[1].cover)
        assert 0.01 < cover.mean() < 0.6, kind
        assert cover.max() == 1.0


def test_look_alikes_differ_in_the_drawing_and_not_only_in_the_name() -> None:
    for pair in (("antelope", "gazelle"), ("leopard/spotted", "cheetah")):
        sheets = []
        for name in pair:
            layers = [Layer((240, 160), Place(120, 150, 70)) for _ in range(2)]
            ANIMALS[name].paint(
                (layers[0], layers[1]), Pose("stand", 0.3, 0, 0, False), generator(1, "same")
            )
            sheets.append(layers[1].onto(np.full((160, 240, 3), 200.0)))
        assert np.abs(sheets[0] - sheets[1]).mean() > 3


def test_every_animal_has_a_toy() -> None:
    assert set(TOYS) == set(ANIMALS)


def test_origins_look_different() -> None:
    seen = {
        origin: draw_shot(Shot("bear/brown", origin, "here"), 1).tobytes()
        for origin in ("real", "staged", "synthetic")
    }
    assert len(set(seen.values())) == 3


def test_a_zoo_is_not_drawn_over_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "pool" / "mine.jpg"
    old.parent.mkdir()
    old.write_bytes(b"mine")
    assert main([str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "pool exists" in said
    assert "name another folder" in said
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [old]


def test_a_copy_needs_nothing_but_its_original(tmp_path: Path, entries: list[Entry]) -> None:
    copy = next(entry for entry in entries if entry.made == "copy")
    original = next(entry for entry in entries if entry.path == copy.duplicate_of)
    made = {entry.path: data for entry, data in contents([copy, original], 2026, 1)}
    assert made[copy.path] == made[original.path]
    with pytest.raises(KeyError):
        list(contents([replace(copy, duplicate_of="library/none.jpg")], 2026, 1))
