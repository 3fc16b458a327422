"""What all commands share: the settings, the client, and how to print."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

import click

from grms.client import output, settings
from grms.client.api import Client
from grms.client.screens import Screen
from grms.errors import GrmsError

PROGRAM = "grms-client"


@dataclass
class Session:
    """One run of the program. ``as_json`` is set by ``--json``, before or after the command."""

    options: settings.Options = field(default_factory=settings.Options)
    as_json: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    sleep: Callable[[float], None] = time.sleep

    def client(self) -> Client:
        """A client for the broker that the settings name; close it."""
        known = settings.load(self.options, self.environ)
        return Client(
            known.server,
            token=known.token,
            timeout=known.timeout,
            sleep=self.sleep,
            warn=self.warn,
        )

    def say(self, lines: Iterable[str], value: Any) -> None:
        """Print ``lines`` for people, or ``value`` as JSON."""
        for line in [output.to_json(value)] if self.as_json else lines:
            click.echo(line, color=self.colour(sys.stdout))

    def done(self, text: str, job_id: str) -> None:
        """Print that the broker accepted something."""
        self.say([text], {"jobId": job_id, "accepted": True})

    def warn(self, text: str) -> None:
        """Print a remark on standard error."""
        click.echo(f"{PROGRAM}: {output.clean(text)}", err=True)

    def fail(self, error: GrmsError) -> None:
        """Print an error on standard error."""
        if self.as_json:
            click.echo(output.to_json(output.error_object(error)), err=True)
        else:
            click.echo(f"{PROGRAM}: {output.error_text(error)}", err=True)

    def colour(self, stream: TextIO) -> bool:
        """True when ``stream`` is a terminal that wants colours (https://no-color.org)."""
        plain = self.environ.get("NO_COLOR") or self.environ.get("TERM") == "dumb"
        return stream.isatty() and not plain

    def screen_colour(self) -> bool:
        """True when standard output wants colours."""
        return self.colour(sys.stdout)

    def screen(self, stream: TextIO) -> Screen:
        """A screen for progress on ``stream``."""
        live = stream.isatty() and self.environ.get("TERM") != "dumb"
        return Screen(
            stream, as_json=self.as_json, live=live, colour=self.colour(stream), sleep=self.sleep
        )


pass_session = click.make_pass_decorator(Session, ensure=True)


def json_flag(command: Any) -> Any:
    """``--json`` behind the command's name, the same as before it."""

    def set_json(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
        if value:
            context.ensure_object(Session).as_json = True

    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        callback=set_json,
        help="Print JSON, for programs.",
    )(command)


def examples(*lines: str) -> str:
    """The Examples part of a command's help, kept as it is written."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def job_ids(context: click.Context, _parameter: click.Parameter, typed: str) -> Sequence[str]:
    """Completion of job ids: the caller's jobs. Silent when the broker cannot be asked."""
    given = context.find_root().params
    options = settings.Options(
        config=given.get("config"), server=given.get("server"), token_file=given.get("token_file")
    )
    try:
        known = settings.load(options, os.environ)
        with Client(known.server, token=known.token, timeout=2.0, tries=1) as client:
            return [job_id for job_id in client.list() if job_id.startswith(typed)]
    except GrmsError:
        return []
