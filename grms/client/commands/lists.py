"""Commands that list jobs."""

from __future__ import annotations

from collections.abc import Sequence

import click

from grms.client import output
from grms.client.api import Client
from grms.client.commands import operands
from grms.client.errors import RefusedError
from grms.client.group import Command
from grms.client.model import JobInfo
from grms.client.session import Session, examples, json_flag, pass_session
from grms.errors import ErrorCode

SECTION = "Lists"

long_flag = click.option(
    "-l", "--long", is_flag=True, help="Ask for each job: its state, times, host, application."
)


@click.command(
    "list",
    cls=Command,
    section=SECTION,
    epilog=examples(
        "grms-client list", "grms-client list -l RUNNING", "grms-client list PENDING | wc -l"
    ),
)
@operands.state
@long_flag
@json_flag
@pass_session
def list_(session: Session, state: str | None, long: bool) -> None:
    """Print the ids of your jobs, one a line; only those in STATE if it is given."""
    with session.client() as client:
        _print(session, client, client.list(state), long)


@click.command(
    "list_project",
    cls=Command,
    section=SECTION,
    epilog=examples("grms-client list_project astro", "grms-client list_project astro FAILED"),
)
@click.argument("project", metavar="PROJECT")
@operands.state
@long_flag
@json_flag
@pass_session
def list_project(session: Session, project: str, state: str | None, long: bool) -> None:
    """Print the ids of the jobs of PROJECT; only those in STATE if it is given."""
    with session.client() as client:
        _print(session, client, client.list_project(project, state), long)


@click.command(
    "list_all",
    cls=Command,
    section=SECTION,
    epilog=examples("grms-client list_all RUNNING", "grms-client list_all -l QUEUED"),
)
@operands.one_state
@long_flag
@json_flag
@pass_session
def list_all(session: Session, state: str, long: bool) -> None:
    """Print the ids of everybody's jobs in STATE."""
    with session.client() as client:
        _print(session, client, client.list_all(state), long)


def _print(session: Session, client: Client, ids: Sequence[str], long: bool) -> None:
    if not long:
        session.say(map(output.clean, ids), {"jobs": ids})
        return
    infos = [info for info in (_info(session, client, job_id) for job_id in ids) if info]
    lines = output.jobs_lines(infos, session.screen_colour()) if infos else []
    session.say(lines, {"jobs": infos})


def _info(session: Session, client: Client, job_id: str) -> JobInfo | None:
    """The job; None, with a remark, for one that is not ours to see or is gone by now."""
    try:
        return client.info(job_id)
    except RefusedError as error:
        if error.code not in (ErrorCode.NOT_ALLOWED, ErrorCode.UNKNOWN_JOB):
            raise
        session.warn(str(error))
        return None


COMMANDS = (list_, list_project, list_all)
