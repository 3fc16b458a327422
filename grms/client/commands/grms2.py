"""The names of GRMS 2, whose output other programs have parsed for years.

``job_info`` is read with ``grep Status | awk '{print $3}'``, ``submit_job`` with
``grep JobId | awk -F= '{print $2}'``: one line each may hold that word.
"""

from __future__ import annotations

import click

from grms.client import documents, output
from grms.client.commands import operands
from grms.client.group import Command
from grms.client.session import Session, examples, json_flag, pass_session

SECTION = "GRMS 2 names"


@click.command(
    "submit_job",
    cls=Command,
    section=SECTION,
    epilog=examples("id=$(grms-client submit_job job.xml | grep JobId | awk -F= '{print $2}')"),
)
@operands.description
@json_flag
@pass_session
def submit_job(session: Session, file: str) -> None:
    """Submit the job that FILE describes; prints "JobId = ..." and nothing else."""
    text = documents.read(file)
    with session.client() as client:
        job_id = client.submit(text)
    session.say([f"JobId = {job_id}"], {"jobId": job_id})


@click.command(
    "job_info",
    cls=Command,
    section=SECTION,
    epilog=examples("grms-client job_info $id 2>/dev/null | grep Status | awk '{print $3}'"),
)
@operands.job
@json_flag
@pass_session
def job_info(session: Session, job: str) -> None:
    """Print a job in the form "Name = value"; one line holds the word Status."""
    with session.client() as client:
        found = client.info(job)
    session.say(output.status_lines(found), found)


COMMANDS = (submit_job, job_info)
