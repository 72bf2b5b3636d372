"""Jobs as a workflow of GitHub Actions, on a runner of one's own that sees the library."""

from __future__ import annotations

import shlex

from curate.schedules.job import Job, as_text
from curate.schedules.manifest import text_of


def units(job: Job) -> dict[str, str]:
    """Give the workflow of a job.

    Raises
    ------
    InputError
        A path cannot be said in a workflow.
    """
    as_text(job, "GitHub")
    words = ("nice", "-n", str(job.nice), "ionice", "-t", "-c", "3", "curate", *job.words)
    # What looks like an expression of GitHub's is said by one.
    line = shlex.join(words).replace("${{", "${{ '${{' }}")
    secrets = ("CURATE_WEBHOOK", "CURATE_SMTP_USER", "CURATE_SMTP_PASSWORD")
    workflow = {
        "name": job.unit,
        "on": {"schedule": [{"cron": job.at.cron}], "workflow_dispatch": {}},
        "permissions": {},
        # One that runs is never cancelled; the next one waits for it.
        "concurrency": {"group": job.unit, "cancel-in-progress": False},
        "jobs": {
            job.name: {
                "runs-on": "self-hosted",
                "timeout-minutes": -(-job.bound // 60),
                "env": {name: f"${{{{ secrets.{name} }}}}" for name in secrets},
                "steps": [{"name": f"curate jobs run {job.name}", "run": line}],
            }
        },
    }
    return {f"{job.unit}.yml": text_of(workflow)}
