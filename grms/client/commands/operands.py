"""Operands that several commands share."""

from __future__ import annotations

import click

from grms.client.model import STATES
from grms.client.session import job_ids

job = click.argument("job", metavar="JOBID", shell_complete=job_ids)
jobs = click.argument("jobs", metavar="JOBID...", nargs=-1, required=True, shell_complete=job_ids)
description = click.argument(
    "file", metavar="FILE", type=click.Path(allow_dash=True, dir_okay=False)
)
new_description = click.argument(
    "file", metavar="[FILE]", type=click.Path(allow_dash=True, dir_okay=False), required=False
)
state = click.argument(
    "state", metavar="[STATE]", type=click.Choice(STATES, case_sensitive=False), required=False
)
one_state = click.argument(
    "state", metavar="STATE", type=click.Choice(STATES, case_sensitive=False)
)
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
