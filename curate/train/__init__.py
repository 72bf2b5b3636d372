"""Training: a split and a policy become a checkpoint. Importing this loads torch."""

from curate.train.loop import train
from curate.train.settings import Progress, TrainResult, TrainSettings, Transplant

__all__ = ["Progress", "TrainResult", "TrainSettings", "Transplant", "train"]
