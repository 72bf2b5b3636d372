"""A real cron runs the line that is installed (up to a minute: cron looks once a minute)."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.faults import cron_daemon

CRON = "/usr/sbin/cron"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may start cron")
@pytest.mark.skipif("CI" not in os.environ, reason="it edits this machine's crontab: only in CI")
@pytest.mark.skipif(shutil.which(CRON) is None, reason="cron is not installed")
def test_the_installed_line_runs(capfd: pytest.CaptureFixture[str]) -> None:
    """It asserts itself: the run of the job ended well, the blank image is in quarantine."""
    cron_daemon.main()
    assert "a real cron ran the line" in capfd.readouterr().out
