"""Commands for notifications about a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import click

from grms.client import output
from grms.client.commands import operands
from grms.client.group import Command
from grms.client.model import FORWARDS, PROTOCOLS, Listener
from grms.client.session import Session, examples, json_flag, pass_session

SECTION = "Notification"
EVENTS = ("STATUS", "REQUEST")
_JOB = "1305550554579_render_5366"


@dataclass(frozen=True, slots=True)
class Registration:
    """The operands of ``add_listener``, sorted."""

    job_id: str
    listener: Listener
    client: str = ""


def registration(words: Sequence[str]) -> Registration:
    """``[CLIENT] JOBID [event] [protocol] [URL] [USER]...`` sorted; UsageError if it cannot be.

    CLIENT is there when the event or the protocol is the third word, or, with neither of them
    given, when the second word is no URL but the third is.
    """
    keywords = {*EVENTS, *PROTOCOLS, *FORWARDS}
    first = next((n for n, word in enumerate(words) if word in keywords), None)
    if first is None:
        first = 2 if len(words) > 2 and "://" not in words[1] and "://" in words[2] else 1
    if first not in (1, 2) or len(words) < 2:
        raise click.UsageError(
            "Write: add_listener [CLIENT] JOBID [EVENT] [PROTOCOL] URL [USER]..."
        )
    names, rest = words[:first], list(words[first:])
    event = rest.pop(0) if rest and rest[0] in EVENTS else "STATUS"
    protocol = rest.pop(0) if rest and rest[0] in (*PROTOCOLS, *FORWARDS) else "SOAP"
    client = names[0] if len(names) == 2 else ""
    return Registration(names[-1], _listener(event, protocol, rest), client)


def _listener(event: str, protocol: str, rest: list[str]) -> Listener:
    if protocol in PROTOCOLS:
        if len(rest) != 1:
            raise click.UsageError(f"{protocol} needs one destination URL and nothing behind it.")
        return Listener(event, protocol, rest[0])
    url = rest.pop(0) if rest and "://" in rest[0] else ""
    if not rest and not url:
        raise click.UsageError(f"{protocol} needs the users to tell, or the URL of a listener.")
    return Listener(event, protocol, url, users=tuple(rest))


@click.command(
    "add_listener",
    cls=Command,
    section=SECTION,
    epilog=examples(
        f"grms-client add_listener {_JOB} STATUS SOAP http://portal:8000/news",
        f"grms-client add_listener {_JOB} REQUEST GASS https://host:2811/log --append",
        f"grms-client add_listener portal {_JOB} STATUS MAIL http://portal:8000/news ann",
    ),
)
@click.argument(
    "words", metavar="[CLIENT] JOBID [EVENT] [PROTOCOL] URL [USER]...", nargs=-1, required=True
)
@click.option("--append", is_flag=True, help="GASS: append to the file, do not overwrite it.")
@click.option("--format", "form", metavar="TEXT", default="", help="GASS: format of a message.")
@json_flag
@pass_session
def add_listener(session: Session, words: Sequence[str], append: bool, form: str) -> None:
    """Let somebody be told about a job; prints the id of the registration.

    EVENT is STATUS (the job's states, the default) or REQUEST (the finer steps). PROTOCOL is SOAP
    (the default), GASS or SOCKET: the broker tells the URL; or PROFILE, SMS or MAIL: each USER is
    told through the listener at URL. CLIENT, the name of the registering program, is for scripts
    of GRMS 1.9.0.
    """
    wanted = registration(words)
    listener = replace(wanted.listener, append=append, format=form)
    with session.client() as client:
        made = client.add_listener(wanted.job_id, listener, client=wanted.client)
    session.say([output.clean(made)], {"jobId": wanted.job_id, "notificationId": made})


@click.command(
    "listeners", cls=Command, section=SECTION, epilog=examples(f"grms-client listeners {_JOB}")
)
@operands.job
@json_flag
@pass_session
def listeners(session: Session, job: str) -> None:
    """Print the ids of the listeners of a job, one a line."""
    with session.client() as client:
        ids = client.listeners(job)
    session.say(map(output.clean, ids), {"jobId": job, "listeners": ids})


@click.command(
    "listener", cls=Command, section=SECTION, epilog=examples(f"grms-client listener {_JOB} 7")
)
@operands.job
@click.argument("notification", metavar="NOTIFICATIONID")
@json_flag
@pass_session
def listener(session: Session, job: str, notification: str) -> None:
    """Print one listener of a job."""
    with session.client() as client:
        found = client.listener(job, notification)
    values = {
        "Event": found.event_type,
        "Protocol": found.protocol or "-",
        "Destination": found.destination or "-",
        "Append": "yes" if found.append else "no",
        "Format": found.format or "-",
        "Users": " ".join(found.users) or "-",
    }
    session.say(output.pairs(values), found)


@click.command(
    "del_listener",
    cls=Command,
    section=SECTION,
    epilog=examples("grms-client del_listener 7", f"grms-client del_listener {_JOB} 7"),
)
@click.argument("words", metavar="[JOBID] NOTIFICATIONID", nargs=-1, required=True)
@json_flag
@pass_session
def del_listener(session: Session, words: Sequence[str]) -> None:
    """Remove a listener by the id that add_listener printed."""
    if len(words) > 2:
        raise click.UsageError("Write: del_listener [JOBID] NOTIFICATIONID")
    job_id, notification = ("", *words)[-2:]
    with session.client() as client:
        client.del_listener(notification, job_id=job_id)
    value = {"notificationId": notification, "accepted": True}
    session.say([f"listener {notification} removed"], value)


COMMANDS = (add_listener, listeners, listener, del_listener)
