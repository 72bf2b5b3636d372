"""Jobs as a CronJob of Kubernetes (batch/v1)."""

from __future__ import annotations

from curate.core.errors import InputError
from curate.schedules.job import Job, as_text
from curate.schedules.manifest import text_of


def units(job: Job) -> dict[str, str]:
    """Give the manifest of a job.

    How much of a node it may take is said by the cluster (requests, priority), so nothing is nice
    here. A pod that failed is not started again: the next night is near enough.

    Raises
    ------
    InputError
        No image or claim is named, or a path cannot be said in a manifest.
    """
    as_text(job, "Kubernetes")
    for option, value in (("--image", job.image), ("--claim", job.claim)):
        if not value:
            raise InputError(
                "k8s", f"a pod needs {option[2:]}", "Give --image IMAGE and --claim VOLUME_CLAIM."
            )
    if ":" in job.library:
        raise InputError(
            job.library, "volumes are not mounted at a path with a colon", "Move the library."
        )
    container = {
        "name": "curate",
        "image": job.image,
        # No shell reads these words; `$(NAME)` alone would mean something.
        "command": [word.replace("$", "$$") for word in ("curate", *job.words)],
        "envFrom": [{"secretRef": {"name": "curate", "optional": True}}],
        "volumeMounts": [{"name": "library", "mountPath": job.library}],
    }
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 30,
        "containers": [container],
        "volumes": [
            {"name": "library", "persistentVolumeClaim": {"claimName": job.claim}},
        ],
    }
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": job.unit, "labels": {"app": "curate"}},
        "spec": {
            "schedule": job.at.cron,
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 3600,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 7,
            "jobTemplate": {
                "spec": {
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": job.bound,
                    "template": {"spec": pod},
                }
            },
        },
    }
    return {f"{job.unit}.yaml": text_of(manifest)}
