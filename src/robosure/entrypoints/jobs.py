"""The job processes: Celery's worker, and its beat."""

from __future__ import annotations

import warnings

from celery.exceptions import SecurityWarning

from robosure.entrypoints.registry import load
from robosure.platform import housekeeping
from robosure.platform.jobs import Job, celery_app, register
from robosure.platform.log_export import begin_export
from robosure.platform.logging import configure_logging
from robosure.platform.needs import Process
from robosure.platform.settings import get_settings


def all_jobs() -> list[Job]:
    """Return the contexts' jobs and the platform's own."""
    return [*(job for c in load() for job in c.jobs), *housekeeping.jobs]


def run_worker(concurrency: int) -> None:
    """Run jobs until SIGTERM; what is at hand is finished first."""
    settings = get_settings(Process.JOBS)
    configure_logging(settings)
    app = celery_app(settings)
    register(app, settings, all_jobs())
    # A worker may well run as root: in a container, or on a laptop's embedded stack.
    # Messages are JSON, so there is no pickle for an attacker to run.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    app.start(
        [
            "--quiet",
            "worker",
            "--queues=high,default",
            f"--concurrency={concurrency}",
            "--without-gossip",
            "--without-mingle",
            f"--loglevel={settings.log_level}",
        ]
    )


def run_beat() -> None:
    """Send scheduled jobs until SIGTERM."""
    settings = get_settings(Process.BEAT)
    configure_logging(settings)
    begin_export(settings, service="robosure-beat")
    app = celery_app(settings, all_jobs())
    app.start(["--quiet", "beat", f"--loglevel={settings.log_level}", "--pidfile="])
