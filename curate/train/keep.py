"""The best and the last checkpoint of a training, on disk after every epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from curate.models.checkpoint import Checkpoint, save
from curate.models.novelty import Novelty

Row = dict[str, float]


def last_path(out: Path) -> Path:
    """Where the checkpoint after the last epoch lies: ``ckpt.pt`` → ``ckpt.last.pt``."""
    return out.with_name(f"{out.stem}.last{out.suffix}")


def rank(row: Row) -> tuple[float, float]:
    """Order epochs: by accuracy on val, then by low loss there. Without val, the later is better.

    A validation loss that is not a number loses every tie.
    """
    accuracy, loss = row["val_accuracy"], row["val_loss"]
    if math.isnan(accuracy):
        return row["epoch"], 0.0
    return accuracy, -math.inf if math.isnan(loss) else -loss


class Keeper:
    """Writes checkpoints: `best` only when an epoch is better than all before it.

    Parameters
    ----------
    plain : Checkpoint
        All but the weights and the metrics.
    out : Path
        Of the best one.
    writes : bool
        Whether this process writes; of several that train one model, the first does.
    """

    def __init__(self, plain: Checkpoint, out: Path, writes: bool = True) -> None:
        self._plain = plain
        self._out = out
        self._writes = writes
        self.best: Checkpoint | None = None
        self._rank = (-math.inf, -math.inf)

    def keep(self, model: nn.Module, row: Row) -> bool:
        """Write the weights after an epoch, with its row of the history; say if it is the best."""
        metrics = {name: value for name, value in row.items() if math.isfinite(value)}
        state = replace(self._plain, weights=_copy(model), metrics=metrics)
        self._save(state, last_path(self._out))
        better = rank(row) > self._rank
        if better:
            self._rank = rank(row)
            self.best = self._save(state, self._out)
        return better

    def go_on(self, best: Checkpoint) -> None:
        """Take up the best checkpoint of an interrupted training as the one to beat."""
        self.best = best
        # Where its weights came from was said when it began.
        self._plain = replace(self._plain, parent=best.parent, licence=best.licence)
        nothing = dict.fromkeys(("val_accuracy", "val_loss"), math.nan)
        self._rank = rank({**nothing, **best.metrics})

    def rescue(self, model: nn.Module) -> None:
        """Write what there is if the first epoch was interrupted; later there are checkpoints.

        The best one of an earlier training is worth more than that, and stays.
        """
        if self.best is None:
            state = replace(self._plain, weights=_copy(model), metrics={"epoch": 0})
            self._save(state, last_path(self._out))
            if not self._out.exists():
                self.best = self._save(state, self._out)

    def finish(
        self,
        metrics: Row,
        temperature: float,
        thresholds: Mapping[str, float],
        novelty: Novelty | None,
    ) -> Checkpoint:
        """Add to the best checkpoint what was measured with its weights, and write it again."""
        if self.best is None:
            raise RuntimeError("finish() before the first keep()")
        fine = {name: value for name, value in metrics.items() if math.isfinite(value)}
        whole = replace(
            self.best,
            metrics={**self.best.metrics, **fine},
            temperature=temperature,
            thresholds=thresholds,
            novelty=novelty,
        )
        self.best = self._save(whole, self._out)
        return self.best

    def _save(self, state: Checkpoint, path: Path) -> Checkpoint:
        return save(state, path) if self._writes else state


def _copy(model: nn.Module) -> dict[str, Tensor]:
    with torch.no_grad():
        return {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}
