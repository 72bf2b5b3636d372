"""Every animal of the zoo under one name, with its poses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from zoo.beasts import Beast, paint_beast
from zoo.birds import WADER_POSES, WADERS, Wader, paint_penguin, paint_wader
from zoo.canvas import Layer
from zoo.hoppers import HOPPER_POSES, HOPPERS, Hopper, paint_hopper
from zoo.mammals import BEASTS
from zoo.pose import Pose
from zoo.reptiles import REPTILE_POSES, paint_crocodile, paint_tortoise

Paint = Callable[[tuple[Layer, Layer], Pose, np.random.Generator], None]


@dataclass(frozen=True)
class Animal:
    """How to paint one kind, and the poses it takes with their weights."""

    paint: Paint
    poses: dict[str, float]


def _beast(beast: Beast) -> Animal:
    return Animal(lambda layers, pose, rng: paint_beast(layers, beast, pose, rng), beast.poses)


def _hopper(kind: Hopper) -> Animal:
    return Animal(lambda layers, pose, rng: paint_hopper(layers, kind, pose, rng), HOPPER_POSES)


def _wader(kind: Wader) -> Animal:
    poses = {name: weight for name, weight in WADER_POSES.items() if name != "sit" or kind.rests}
    return Animal(lambda layers, pose, rng: paint_wader(layers, kind, pose, rng), poses)


def _penguin(chick: bool) -> Animal:
    return Animal(
        lambda layers, pose, rng: paint_penguin(layers, chick, pose, rng),
        {"stand": 1.0, "walk": 1.0},
    )


ANIMALS: dict[str, Animal] = {
    **{name: _beast(beast) for name, beast in BEASTS.items()},
    **{name: _hopper(kind) for name, kind in HOPPERS.items()},
    **{name: _wader(kind) for name, kind in WADERS.items()},
    "penguin": _penguin(False),
    "penguin/chick": _penguin(True),
    "crocodile": Animal(paint_crocodile, REPTILE_POSES),
    "tortoise": Animal(paint_tortoise, REPTILE_POSES),
}


def _as_toy(name: str) -> Animal:
    # Toys have short legs and big heads; birds and reptiles keep their shape.
    if name in BEASTS:
        beast = BEASTS[name]
        long, deep, muzzle = beast.build.head
        build = replace(
            beast.build, leg=beast.build.leg * 0.78, head=(long * 1.22, deep * 1.3, muzzle * 1.3)
        )
        return _beast(replace(beast, build=build))
    if name in HOPPERS:
        return _hopper(replace(HOPPERS[name], head=HOPPERS[name].head * 1.3))
    return ANIMALS[name]


TOYS: dict[str, Animal] = {
    name: replace(_as_toy(name), poses={"stand": 3.0, "walk": 1.0}) for name in ANIMALS
}
