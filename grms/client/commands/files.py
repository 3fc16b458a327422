"""Commands that change the outputs and checkpoint files of a living job, and its application."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from grms.client import output
from grms.client.api import Client
from grms.client.commands import operands
from grms.client.errors import RefusedError
from grms.client.group import Command
from grms.client.model import FileDir, ItemResult
from grms.client.session import Session, examples, json_flag, pass_session

SECTION = "Files and checkpoints"
_JOB = "1305550554579_render_5366"

_TYPES: dict[str, dict[str, bool]] = {
    "PHYSICAL": {"logical": False},
    "LOGICAL": {"logical": True},
    "FILE": {"directory": False},
    "DIRECTORY": {"directory": True},
}

Change = Callable[[Client, str, Sequence[FileDir]], tuple[ItemResult, ...]]
Get = Callable[[Client, str], tuple[FileDir, ...]]


def file_dir(name: str, path: str, types: Sequence[str]) -> FileDir:
    """The item that the operands name; UsageError for two types of one kind."""
    chosen: dict[str, bool] = {}
    for word in types:
        ((kind, value),) = _TYPES[word].items()
        if kind in chosen:
            raise click.UsageError("Give at most one of PHYSICAL, LOGICAL and of FILE, DIRECTORY.")
        chosen[kind] = value
    return FileDir(name, path, **chosen)


def _changing(name: str, ask: Change, did: str, text: str, line: str) -> click.Command:
    """A command ``name JOBID NAME PATH [PHYSICAL|LOGICAL] [FILE|DIRECTORY]``."""

    def run(session: Session, job: str, name: str, path: str, types: Sequence[str]) -> None:
        item = file_dir(name, path, types)
        with session.client() as client:
            (result,) = ask(client, job, [item])
        if result.error_code:
            raise RefusedError(result.error_code, result.error_message)
        lines = [f"{name} {did} {job}"]
        session.say(lines, {"jobId": job, "accepted": True, "item": _object(item)})

    callback: Any = pass_session(run)
    types = operands.word("types", list(_TYPES), "[PHYSICAL|LOGICAL] [FILE|DIRECTORY]", nargs=-1)
    path = click.argument("path", metavar="PATH")
    inner = click.argument("name", metavar="NAME")
    for decorate in (json_flag, types, path, inner, operands.job):
        callback = decorate(callback)
    make = click.command(name, cls=Command, section=SECTION, help=text, epilog=examples(line))
    command: click.Command = make(callback)
    return command


def _getting(name: str, ask: Get, text: str) -> click.Command:
    """A command ``name JOBID`` that prints a line per item."""

    def run(session: Session, job: str) -> None:
        with session.client() as client:
            items = ask(client, job)
        rows = [(output.clean(i.name), output.clean(i.path), i.urltype, i.pathtype) for i in items]
        value = {"jobId": job, "items": [_object(item) for item in items]}
        session.say(output.table(rows) if rows else [], value)

    callback: Any = operands.job(json_flag(pass_session(run)))
    line = examples(f"grms-client {name} {_JOB}")
    command: click.Command = click.command(
        name, cls=Command, section=SECTION, help=text, epilog=line
    )(callback)
    return command


def _object(item: FileDir) -> dict[str, str]:
    return {
        "name": item.name,
        "path": item.path,
        "urltype": item.urltype,
        "pathtype": item.pathtype,
    }


_WORDS = """

NAME is the name in the job's working directory. PATH is where it goes: a URL (PHYSICAL, the
default) or an id of the data management (LOGICAL). It is a FILE unless DIRECTORY is said."""

add_output = _changing(
    "add_output",
    Client.add_output,
    "added to the outputs of",
    "Add a file or directory to the outputs of a living job." + _WORDS,
    f"grms-client add_output {_JOB} frame.png sftp://store/home/ann/frame.png",
)
get_output = _getting(
    "get_output", Client.get_output, "Print the outputs of a job: name, path and types."
)
del_output = _changing(
    "del_output",
    Client.del_output,
    "removed from the outputs of",
    "Remove a file or directory from the outputs of a living job." + _WORDS,
    f"grms-client del_output {_JOB} frame.png sftp://store/home/ann/frame.png",
)
add_checkpoint = _changing(
    "add_checkpoint",
    Client.add_checkpoint,
    "added to the checkpoint files of",
    "Add a file or directory to the checkpoint of a living job." + _WORDS,
    f"grms-client add_checkpoint {_JOB} state sftp://store/home/ann/state PHYSICAL DIRECTORY",
)
get_checkpoint = _getting(
    "get_checkpoint",
    Client.get_checkpoint,
    "Print the checkpoint files of a job: name, path and types.",
)
del_checkpoint = _changing(
    "del_checkpoint",
    Client.del_checkpoint,
    "removed from the checkpoint files of",
    "Remove a file or directory from the checkpoint of a living job." + _WORDS,
    f"grms-client del_checkpoint {_JOB} state sftp://store/home/ann/state PHYSICAL DIRECTORY",
)


@click.command(
    "register",
    cls=Command,
    section=SECTION,
    epilog=examples(f"grms-client register {_JOB} http://node7:9000/checkpoint 4711"),
)
@operands.job
@click.argument("service_location", metavar="SERVICE_LOCATION")
@click.argument("pid", metavar="PID", type=click.IntRange(0, 2**31 - 1))
@json_flag
@pass_session
def register(session: Session, job: str, service_location: str, pid: int) -> None:
    """Tell where the application of a job listens for checkpoint calls.

    SERVICE_LOCATION is the URL of its web service, PID its process id on the execution host.
    """
    with session.client() as client:
        client.register(job, service_location, pid)
    session.done(f"application of {job} registered", job)


@click.command(
    "unregister", cls=Command, section=SECTION, epilog=examples(f"grms-client unregister {_JOB}")
)
@operands.job
@json_flag
@pass_session
def unregister(session: Session, job: str) -> None:
    """Take back what register told."""
    with session.client() as client:
        client.unregister(job)
    session.done(f"application of {job} unregistered", job)


@click.command(
    "application", cls=Command, section=SECTION, epilog=examples(f"grms-client application {_JOB}")
)
@operands.job
@json_flag
@pass_session
def application(session: Session, job: str) -> None:
    """Print where the application of a job listens, and its process id."""
    with session.client() as client:
        access = client.application(job)
    lines = output.pairs({"Location": access.service_location, "Pid": str(access.pid)})
    session.say(lines, access)


COMMANDS = (
    add_output,
    get_output,
    del_output,
    add_checkpoint,
    get_checkpoint,
    del_checkpoint,
    register,
    unregister,
    application,
)
