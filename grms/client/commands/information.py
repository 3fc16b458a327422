"""Commands that tell about jobs, resources and the service."""

from __future__ import annotations

from collections.abc import Sequence

import click

from grms.client import documents, output
from grms.client.api import Client
from grms.client.commands import operands
from grms.client.errors import BadAnswerError
from grms.client.group import Command
from grms.client.model import JobInfo, Proof, Verdict
from grms.client.resources import proofs
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
    """Print what the broker knows of a job now, and on what evidence.

    Of a waiting job also what each cluster says.
    """
    with session.client() as client:
        found = client.info(job)
        verdicts, evidence = _why_it_waits(client, found), _evidence(client, job)
    lines = output.info_lines(found, session.screen_colour()) + output.proof_lines(evidence)
    data = {**output.plain(found), "evidence": evidence}
    if verdicts:
        lines += ["Clusters:", *(f"  {line}" for line in output.verdict_lines(verdicts))]
        data["clusters"] = verdicts
    session.say(lines, data)


def _evidence(client: Client, job: str) -> Sequence[Proof]:
    """Nothing where the broker is too old to tell."""
    try:
        return proofs(client.events(job))
    except BadAnswerError:
        return ()


def _why_it_waits(client: Client, found: JobInfo) -> Sequence[Verdict]:
    """Nothing for a job that is on its way, or where the broker is too old to explain."""
    if found.state != "QUEUED":
        return ()
    try:
        return client.explain_job(found.job_id)
    except BadAnswerError:
        return ()


@click.command(
    "history",
    cls=Command,
    section=SECTION,
    epilog=examples(
        "grms-client history 1305550554579_render_5366",
        "grms-client history --json 1305550554579_render_5366 | jq -r '.history[].hostName'",
        "grms-client history --events 1305550554579_render_5366",
    ),
)
@operands.job
@click.option("--events", is_flag=True, help="Print the whole story instead, proofs included.")
@click.option(
    "--after",
    type=click.IntRange(min=0),
    default=0,
    metavar="NUMBER",
    help="With --events: only what came after this event.",
)
@json_flag
@pass_session
def history(session: Session, job: str, events: bool, after: int) -> None:
    """Print the runs of a job, oldest first, and its evidence; a moved job has several runs.

    With --events: one line for all that happened, with its number, time and kind.
    """
    with session.client() as client:
        if events:
            story = client.events(job, after=after)
            session.say(output.event_lines(story), {"jobId": job, "events": story})
            return
        entries, evidence = client.history(job), _evidence(client, job)
    lines = output.history_lines(entries) if entries else []
    lines += output.proof_lines(evidence)
    session.say(lines, {"jobId": job, "history": entries, "evidence": evidence})


@click.command(
    "resources",
    cls=Command,
    section=SECTION,
    epilog=examples(
        "grms-client resources job.xml",
        "grms-client resources - < job.xml | head -1",
        "grms-client resources --explain job.xml",
    ),
)
@operands.description
@click.option("--explain", is_flag=True, help="Print every cluster, and what does not fit there.")
@json_flag
@pass_session
def resources(session: Session, file: str, explain: bool) -> None:
    """Print the contacts of the resources that fit FILE, the best first.

    FILE is written like a job; only its requirements matter. With --explain each cluster says
    which requirement refuses, its own value, and the smallest change that would make it fit.
    """
    text = documents.read(file)
    with session.client() as client:
        if explain:
            verdicts = client.explain(text)
            session.say(output.verdict_lines(verdicts), {"clusters": verdicts})
            return
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
