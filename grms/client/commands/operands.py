"""Operands that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from grms.client.model import STATES
from grms.client.session import job_ids

_Command = TypeVar("_Command", bound=Callable[..., Any])


def word(
    name: str, words: Sequence[str], metavar: str, **more: Any
) -> Callable[[_Command], _Command]:
    """An operand that is one of some upper-case words, in any case; completed in upper case."""

    def complete(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
        return [word for word in words if word.startswith(typed.upper())]

    kind = click.Choice(words, case_sensitive=False)
    return click.argument(name, metavar=metavar, type=kind, shell_complete=complete, **more)


job = click.argument("job", metavar="JOBID", shell_complete=job_ids)
jobs = click.argument("jobs", metavar="JOBID...", nargs=-1, required=True, shell_complete=job_ids)
description = click.argument(
    "file", metavar="FILE", type=click.Path(allow_dash=True, dir_okay=False)
)
new_description = click.argument(
    "file", metavar="[FILE]", type=click.Path(allow_dash=True, dir_okay=False), required=False
)
state = word("state", STATES, "[STATE]", required=False)
one_state = word("state", STATES, "STATE")
interval = click.option(
    "--interval",
    type=click.FloatRange(min=0.05),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="The longest pause between two questions to the broker.",
)
timeout = click.option(
    "--timeout",
    "patience",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Give up watching after this time, with exit code 12. The jobs go on.",
)
