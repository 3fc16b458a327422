"""Commands that tell about jobs, resources and the service."""

from __future__ import annotations

import click

from grms.client import documents, output
from grms.client.commands import operands
from grms.client.group import Command
from grms.client.session import Session, examples, json_flag, pass_session

SECTION = "Information"


@click.command(
    "info",
    cls=Command,
    section=SECTION,
    epilog=examples(
        "grms-client info 1305550554579_render_5366",
        "grms-client info --json 1305550554579_render_5366 | jq -r .state",
    ),
)
@operands.job
@json_flag
@pass_session
def info(session: Session, job: str) -> None:
    """Print what the broker knows of a job now."""
    with session.client() as client:
        found = client.info(job)
    session.say(output.info_lines(found, session.screen_colour()), found)


@click.command(
    "history",
    cls=Command,
    section=SECTION,
    epilog=examples(
        "grms-client history 1305550554579_render_5366",
        "grms-client history --json 1305550554579_render_5366 | jq -r '.history[].hostName'",
    ),
)
@operands.job
@json_flag
@pass_session
def history(session: Session, job: str) -> None:
    """Print the runs of a job, oldest first; a moved or repeated job has several."""
    with session.client() as client:
        entries = client.history(job)
    lines = output.history_lines(entries) if entries else []
    session.say(lines, {"jobId": job, "history": entries})


@click.command(
    "resources",
    cls=Command,
    section=SECTION,
    epilog=examples("grms-client resources job.xml", "grms-client resources - < job.xml | head -1"),
)
@operands.description
@json_flag
@pass_session
def resources(session: Session, file: str) -> None:
    """Print the contacts of the resources that fit FILE, the best first.

    FILE is written like a job; only its requirements matter.
    """
    text = documents.read(file)
    with session.client() as client:
        contacts = client.resources(text)
    session.say(map(output.clean, contacts), {"resources": contacts})


@click.command(
    "test",
    cls=Command,
    section=SECTION,
    epilog=examples("grms-client test job.xml && grms-client submit job.xml"),
)
@operands.description
@json_flag
@pass_session
def test(session: Session, file: str) -> None:
    """Check the job description FILE without submitting it.

    All mistakes are printed at once, each with its place and how to mend it; the exit code is 3.
    """
    text = documents.read(file)
    with session.client() as client:
        client.test(text)
    session.say(["the description is valid"], {"valid": True})


@click.command(
    "description",
    cls=Command,
    section=SECTION,
    epilog=examples("grms-client description", "grms-client description FULL"),
)
@operands.word("kind", ["SHORT", "FULL"], "[SHORT|FULL]", default="SHORT")
@json_flag
@pass_session
def description(session: Session, kind: str) -> None:
    """Print what the service says about itself."""
    with session.client() as client:
        text = client.description(full=kind == "FULL")
    session.say([output.clean(text)], {"description": text})


COMMANDS = (info, history, resources, test, description)
