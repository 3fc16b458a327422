"""The command ``conformance``."""

from __future__ import annotations

import contextlib
import sys

import click

from grms.config import Settings
from grms.errors import ErrorCode, GrmsError


@click.command()
@click.argument("cluster")
@click.option("--quick", is_flag=True, help="Only what every job depends on.")
@click.option("--queue", default="", help="Submit to this queue, not to the default one.")
@click.option("--account", default="", help="Act as this account there.")
@click.option(
    "--patience", type=click.IntRange(1), default=300, show_default=True, help="Seconds per wait."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of lines.")
@click.pass_obj
def conformance(
    settings: Settings,
    cluster: str,
    quick: bool,
    queue: str,
    account: str,
    patience: int,
    as_json: bool,
) -> None:
    """Try with small real jobs whether CLUSTER does what the broker relies on.

    One line for each promise: what was expected, what was seen. Exit code 1 if one is not kept.
    The jobs are removed at the end.

    \b
    Example: grms-server conformance hpc --queue short
    """
    from grms.server.conformance import conformance as tried
    from grms.server.reports import show
    from grms.server.wiring import SiteBook, opened

    with opened(settings) as store:
        known = {item.name: item for item in store.clusters()}
    if cluster not in known:
        names = ", ".join(sorted(known)) or "none"
        raise GrmsError(
            f"there is no cluster {cluster!r}; known: {names}", code=ErrorCode.UNKNOWN_CLUSTER
        )
    with contextlib.closing(SiteBook()) as sites:
        site = sites.site(known[cluster], account)
        findings = tried(site, quick=quick, queue=queue, patience=float(patience))
        code = show(findings, as_json=as_json)
    sys.exit(code)
