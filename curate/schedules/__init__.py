"""Schedules: a job written down for cron, systemd, Kubernetes, Airflow or GitHub."""

from __future__ import annotations

from collections.abc import Callable

from curate.schedules import airflow, cron, github, kubernetes, systemd
from curate.schedules.job import Job, When, when

__all__ = ["KINDS", "Job", "When", "when"]

KINDS: dict[str, Callable[[Job], dict[str, str]]] = {
    "cron": cron.units,
    "systemd": systemd.units,
    "k8s": kubernetes.units,
    "airflow": airflow.units,
    "github": github.units,
}
"""How a job is written for each: the texts of its files by their names."""
