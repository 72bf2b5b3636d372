"""Several processes that train one model: who this one is, and what they tell each other.

``torchrun --nproc-per-node 4 -m curate train …`` starts them and says so in their environment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as group
from numpy.typing import NDArray
from torch import Tensor

from curate.core.errors import InputError
from curate.models.device import pick_device

Value = TypeVar("Value")


@dataclass(frozen=True)
class Ranks:
    """One of the processes of a training.

    Attributes
    ----------
    rank : int
        Which, from 0; the first writes the files and talks to the user.
    world : int
        How many there are.
    local : int
        Which on this machine: the number of its GPU.
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def share(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give this process's part of some positions; together they are all of them, each once."""
        return positions[self.rank :: self.world]

    def gathered(self, value: Value) -> list[Value]:
        """Give everybody's value, in the order of the ranks."""
        if self.world == 1:
            return [value]
        values: list[Value | None] = [None] * self.world
        group.all_gather_object(values, value)
        return [found for found in values if found is not None]

    def agreed(self, value: Value) -> Value:
        """Give the first process's value to everybody."""
        return self.gathered(value)[0]

    def equalise(self, tensors: Iterable[Tensor]) -> None:
        """Give the first process's values to the tensors of everybody, in place."""
        if self.world > 1:
            for tensor in tensors:
                group.broadcast(tensor, 0)


ALONE = Ranks()
"""The only process of a training."""


def ranks_of(environment: Mapping[str, str]) -> Ranks:
    """Read who this process is, as torchrun says it; alone where it says nothing.

    Raises
    ------
    InputError
        The variables do not make sense.
    """
    given = [environment.get(name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")]
    if given[1] is None:
        return ALONE
    if not all(text is not None and text.isdecimal() for text in given):
        raise InputError(
            f"RANK, WORLD_SIZE, LOCAL_RANK = {given}",
            "torchrun sets all three to whole numbers",
            "Start it with torchrun, or unset WORLD_SIZE",
        )
    rank, world, local = (int(text or 0) for text in given)
    if rank >= world:
        raise InputError(f"RANK {rank}", f"it is below WORLD_SIZE {world}", "Start with torchrun")
    return Ranks(rank, world, local)


def device_of(name: str, ranks: Ranks) -> torch.device:
    """Find the device of a process: with several, each has the GPU of its number."""
    device = pick_device(name)
    if ranks.world > 1 and device.type == "cuda" and device.index is None:
        return pick_device(f"cuda:{ranks.local}")
    return device


@contextmanager
def joined(ranks: Ranks, device: torch.device) -> Iterator[None]:
    """Let the processes talk to each other: tensors of GPUs by NCCL, all else by Gloo."""
    if ranks.world == 1:
        yield
        return
    if device.type == "cuda":
        # NCCL works on the current device, and that is the first GPU for every process.
        torch.cuda.set_device(device)
    # What `gathered` sends lies in memory: by NCCL it would go over the GPU and wait for it.
    group.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        group.destroy_process_group()
