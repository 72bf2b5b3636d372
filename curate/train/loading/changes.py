"""What an epoch does to the images of each class: a recipe, and a draw for each image."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from curate.augment.policy import Pixels, Policy, compile_policy
from curate.core import chance
from curate.core.errors import InputError

if TYPE_CHECKING:
    # A decoding worker imports this module, and pandas would cost it a second.
    from curate.train.examples import Examples
    from curate.train.settings import TrainSettings

_compiled = cache(compile_policy)


@dataclass(frozen=True)
class Draw:
    """One variant of one image: the same always and everywhere.

    Attributes
    ----------
    recipe : str
        See `curate.augment.policy`.
    seed : int
        Of the training.
    stream : str
        Which variant of the image: that of an epoch.
    """

    recipe: str
    seed: int
    stream: str

    def of(self, pixels: Pixels, image_id: str) -> Pixels:
        """Make the variant; the pixels that are given stay as they are."""
        policy: Policy = _compiled(self.recipe)
        return policy(pixels, chance.generator(self.seed, image_id, self.stream))


@dataclass(frozen=True)
class Change:
    """The augmentation of an epoch.

    Attributes
    ----------
    recipe : str
        For the classes that have none of their own.
    seed, epoch : int
        What the variants depend on, beside the image.
    classes : mapping of int to str
        Recipes of single classes, by their index.
    """

    recipe: str
    seed: int
    epoch: int
    classes: Mapping[int, str] = field(default_factory=dict)

    def draw(self, target: int, again: int = 0) -> Draw:
        """Give the variant of an image of a class.

        Parameters
        ----------
        target : int
            Index of its class.
        again : int
            How often the epoch has shown it already: balanced sampling shows images more than
            once, and each time another variant.
        """
        stream = f"augment {self.epoch}" + (f" again {again}" if again else "")
        return Draw(self.classes.get(target, self.recipe), self.seed, stream)


def augmentation(settings: TrainSettings, examples: Examples, epoch: int) -> Change:
    """Give the change that an epoch makes to the examples.

    It is a function of seed, epoch and image, and not of the order of the images or of who makes
    them. The recipe of a class that is left out of the split waits until the class is back: classes
    fall below a cutoff and rise above it again, and the settings stay.

    Raises
    ------
    InputError
        A recipe is wrong, or is for a class that no image has.
    """
    index = {name: at for at, name in enumerate(examples.classes)}
    for name in settings.augment_classes:
        if name not in index and name not in examples.left_out:
            raise _no_such_class(name, examples.classes)
    for recipe in (settings.augment, *settings.augment_classes.values()):
        _compiled(recipe)
    own = settings.augment_classes.items()
    classes = {index[name]: recipe for name, recipe in own if name in index}
    return Change(settings.augment, settings.seed, epoch, classes)


def _no_such_class(name: str, classes: tuple[str, ...]) -> InputError:
    shown = ", ".join(classes[:20]) + (f" … ({len(classes)} in all)" if len(classes) > 20 else "")
    near = difflib.get_close_matches(name, classes, n=1)
    return InputError(
        f"augmentation of class {name!r}",
        f"the classes that train are {shown}",
        f"Did you mean {near[0]}?" if near else "Take one of these",
    )
