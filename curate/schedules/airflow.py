"""Jobs as a DAG of Airflow."""

from __future__ import annotations

from curate.schedules.job import Job

_DAG = '''\
"""{unit}: written by `curate`; put it into the folder of the DAGs."""

import subprocess
from datetime import datetime, timedelta, timezone

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

WORDS = {words}


@dag(
    dag_id={unit!r},
    schedule={cron!r},
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    tags=["curate"],
)
def job():
    @task(task_id={name!r}, retries=0, execution_timeout=timedelta(seconds={bound}))
    def run():
        subprocess.run(WORDS, check=True)

    run()


job()
'''


def units(job: Job) -> dict[str, str]:
    """Give the DAG of a job.

    Its words are a list that no shell and no template reads.
    """
    words = ("nice", "-n", str(job.nice), "ionice", "-t", "-c", "3", *job.program, *job.words)
    listed = "".join(f"    {word!a},\n" for word in words)
    text = _DAG.format(
        unit=job.unit,
        words=f"[\n{listed}]",
        cron=job.at.cron,
        name=job.name,
        bound=job.bound,
    )
    return {f"{job.unit.replace('-', '_')}.py": text}
