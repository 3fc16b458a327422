"""Commands that start jobs and act on them."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import click

from grms.client import documents, exits
from grms.client.api import Client
from grms.client.commands import operands
from grms.client.group import Command
from grms.client.session import Session, examples, json_flag, pass_session
from grms.client.watching import follow
from grms.errors import GrmsError

SECTION = "Jobs"


@click.command(
    "submit",
    cls=Command,
    section=SECTION,
    epilog=examples(
        "grms-client submit job.xml",
        "grms-client submit --wait job.xml && echo finished",
        "sed s/NAME/alpha/ template.xml | grms-client submit -",
    ),
)
@operands.description
@click.option("--wait", is_flag=True, help="Wait for the end; progress goes to standard error.")
@click.option(
    "--key",
    metavar="KEY",
    default="",
    help="Name of this submission: repeated with the same key it makes no second job.",
)
@operands.interval
@operands.timeout
@json_flag
@pass_session
def submit(
    session: Session, file: str, wait: bool, key: str, interval: float, patience: float | None
) -> int:
    """Submit the job that FILE describes, and print its id.

    FILE is a GRMS job description; "-" reads it from standard input. The broker may be asked
    several times if the connection breaks: this never makes two jobs.

    With --wait the exit code tells how the job ended: 0 FINISHED, 8 FAILED, 9 CANCELED.
    """
    text = documents.read(file)
    with session.client() as client:
        key = key or str(uuid.uuid4())
        try:
            job_id = client.submit(text, key=key)
        except KeyboardInterrupt:
            session.warn(
                f"interrupted; the job may have arrived: to be sure, repeat with --key {key}"
            )
            return exits.Exit.INTERRUPTED
        session.say([f"JobId = {job_id}"], {"jobId": job_id})
        if not wait:
            return exits.Exit.OK
        stream = sys.stdout if session.as_json else sys.stderr
        return _watch(session, client, [job_id], stream, interval, patience)


@click.command(
    "watch",
    cls=Command,
    section=SECTION,
    epilog=examples(
        "grms-client watch 1305550554579_render_5366",
        "grms-client list | xargs grms-client watch",
        "grms-client watch --json --timeout 3600 1305550554579_render_5366",
    ),
)
@operands.jobs
@operands.interval
@operands.timeout
@json_flag
@pass_session
def watch(session: Session, jobs: Sequence[str], interval: float, patience: float | None) -> int:
    """Show each new state of the jobs until all have ended.

    The time is the broker's where it keeps one for the state, else the time of looking. A state
    that is left between two looks is not shown. Ctrl-C ends the watching, never the jobs.

    The exit code tells how they ended: 0 all FINISHED, 8 one FAILED, 9 one CANCELED.
    """
    with session.client() as client:
        return _watch(session, client, list(dict.fromkeys(jobs)), sys.stdout, interval, patience)


def _watch(
    session: Session,
    client: Client,
    job_ids: Sequence[str],
    stream: TextIO,
    interval: float,
    patience: float | None,
) -> int:
    screen = session.screen(stream)
    try:
        ended = follow(client, job_ids, screen, interval=interval, timeout=patience)
    except KeyboardInterrupt:
        screen.clear()
        session.warn(
            "stopped watching; the jobs go on (grms-client cancel ends them): " + " ".join(job_ids)
        )
        return exits.Exit.INTERRUPTED
    finally:
        screen.clear()
    return exits.for_states(job.state for job in ended)


@click.command(
    "cancel",
    cls=Command,
    section=SECTION,
    epilog=examples(
        "grms-client cancel 1305550554579_render_5366",
        "grms-client list QUEUED | xargs grms-client cancel",
    ),
)
@operands.jobs
@json_flag
@pass_session
def cancel(session: Session, jobs: Sequence[str]) -> int:
    """Ask for the end of jobs.

    Returns when the broker has noted the wish; the job is CANCELED a little later. Goes on after a
    job that cannot be canceled; the exit code is that of the first such job.
    """
    code = exits.Exit.OK
    with session.client() as client:
        for job_id in jobs:
            try:
                client.cancel(job_id)
            except GrmsError as error:
                session.fail(error)
                code = code or exits.for_error(error)
            else:
                session.done(f"cancel of {job_id} accepted", job_id)
    return code


Wish = Callable[[Client, str, str | None], None]


def _wish(name: str, ask: Wish, text: str, lines: Sequence[str]) -> click.Command:
    """A command ``name JOBID [FILE]``."""

    def run(session: Session, job: str, file: str | None) -> None:
        new = documents.read(file) if file else None
        with session.client() as client:
            ask(client, job, new)
        session.done(f"{name} of {job} accepted", job)

    callback: Any = pass_session(run)
    for decorate in (json_flag, operands.new_description, operands.job):
        callback = decorate(callback)
    make = click.command(name, cls=Command, section=SECTION, help=text, epilog=examples(*lines))
    command: click.Command = make(callback)
    return command


migrate = _wish(
    "migrate",
    Client.migrate,
    """Ask to move a job to a resource where it runs better.

    FILE is a new description, which replaces the job's own; "-" reads it from standard input.
    The application must be able to write checkpoints.""",
    [
        "grms-client migrate 1305550554579_render_5366",
        "grms-client migrate 1305550554579_render_5366 bigger.xml",
    ],
)
suspend = _wish(
    "suspend",
    Client.suspend,
    """Ask to suspend a job, until it is resumed.

    FILE is a new description, which replaces the job's own; "-" reads it from standard input.""",
    ["grms-client suspend 1305550554579_render_5366"],
)
resume = _wish(
    "resume",
    Client.resume,
    """Ask to let a suspended job go on.

    FILE is a new description, which replaces the job's own; "-" reads it from standard input.""",
    [
        "grms-client resume 1305550554579_render_5366",
        "grms-client list SUSPENDED | xargs -n 1 grms-client resume",
    ],
)

COMMANDS = (submit, watch, migrate, suspend, resume, cancel)
