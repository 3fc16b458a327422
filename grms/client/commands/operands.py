"""Operands that several commands share."""

from __future__ import annotations

from collections.abc import Sequence

import click
from click.shell_completion import CompletionItem

from grms.client.model import STATES
from grms.client.session import job_ids


class Word(click.Choice[str]):
    """One of some upper-case words, in any case; completed as the contract writes them."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__(words, case_sensitive=False)

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """The words that begin as typed."""
        return [CompletionItem(w) for w in self.choices if w.startswith(incomplete.upper())]


job = click.argument("job", metavar="JOBID", shell_complete=job_ids)
jobs = click.argument("jobs", metavar="JOBID...", nargs=-1, required=True, shell_complete=job_ids)
description = click.argument(
    "file", metavar="FILE", type=click.Path(allow_dash=True, dir_okay=False)
)
new_description = click.argument(
    "file", metavar="[FILE]", type=click.Path(allow_dash=True, dir_okay=False), required=False
)
state = click.argument("state", metavar="[STATE]", type=Word(STATES), required=False)
one_state = click.argument("state", metavar="STATE", type=Word(STATES))
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
