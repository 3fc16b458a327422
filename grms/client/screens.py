"""Showing progress: a live line on a terminal, plain lines in a pipe, JSON lines for programs."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TextIO

import click

from grms.client import output
from grms.client.model import JobInfo
from grms.client.watching import News
from grms.errors import GrmsError

_TICK = 1.0


class Screen:
    """Writes news to ``stream``; ``live`` keeps a line that counts the seconds below them."""

    def __init__(
        self,
        stream: TextIO,
        *,
        as_json: bool = False,
        live: bool = False,
        colour: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._stream = stream
        self._as_json = as_json
        self._live = live and not as_json
        self._colour = colour
        self._sleep = sleep
        self._start = time.monotonic()

    def news(self, news: News) -> None:
        """One line: time, job, state, and where it runs or why it failed."""
        self.clear()
        if self._as_json:
            line = output.to_json(news)
        else:
            state = output.paint(news.job.state, news.job.state, self._colour)
            head = f"{output.stamp(news.at)}  {output.clean(news.job.job_id)}  {state}"
            line = head + _detail(news.job)
        click.echo(line, file=self._stream, color=self._colour)

    def trouble(self, error: GrmsError) -> None:
        """One line on standard error."""
        self.clear()
        click.echo(f"grms-client: {output.error_text(error)}; still trying", err=True)

    def wait(self, jobs: Sequence[JobInfo], seconds: float) -> None:
        """Sleep; a live line is drawn anew each second."""
        if not self._live:
            self._sleep(seconds)
            return
        while seconds > 0:
            self._draw(jobs)
            self._sleep(min(seconds, _TICK))
            seconds -= _TICK

    def clear(self) -> None:
        """Take the live line away."""
        if self._live:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()

    def _draw(self, jobs: Sequence[JobInfo]) -> None:
        waited = int(time.monotonic() - self._start)
        text = f"{summary(jobs)}  {waited // 60}:{waited % 60:02}"
        width = shutil.get_terminal_size().columns
        self._stream.write("\r\x1b[2K" + text[: width - 1])
        self._stream.flush()


def summary(jobs: Sequence[JobInfo]) -> str:
    """How many jobs are in which state: ``2 RUNNING, 1 FINISHED``."""
    counted = Counter(job.state for job in jobs)
    if len(jobs) == 1:
        return f"{jobs[0].state} {jobs[0].request_status}".rstrip()
    return ", ".join(f"{count} {state}" for state, count in counted.most_common()) or "waiting"


def _detail(job: JobInfo) -> str:
    if job.state == "FAILED" and job.error_description:
        return "  " + output.clean(" ".join(job.error_description.split()))
    host = job.last_history.host_name if job.last_history else ""
    return f"  on {output.clean(host)}" if job.state in ("PENDING", "RUNNING") and host else ""
