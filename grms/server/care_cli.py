"""Commands that look after a broker as a whole: check, backup, restore."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from grms.config import Settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of lines.")
@click.pass_obj
def check(settings: Settings, as_json: bool) -> None:
    """Look at all a broker needs: one line each, with the cure; exit code 1 if one is a FAIL.

    Settings, data directory, database, disk, port, engine, leases, and each cluster: the way
    there, the wrapper, Python, clock, batch system. The service may run meanwhile.

    \b
    Example: grms-server --data-dir /var/lib/grms check
    """
    from grms.server.check import check as look
    from grms.server.reports import show

    sys.exit(show(look(settings), as_json=as_json))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def backup(settings: Settings, file: Path) -> None:
    """Copy the database to FILE, complete and checked, while the service runs.

    FILE must not exist. For PostgreSQL use pg_dump.

    \b
    Example: grms-server backup /backup/grms-2026-11-27.db
    """
    from grms import store

    store.backup(settings.database_url, file)
    click.echo(f"{file} is complete and checked, {file.stat().st_size} bytes")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.pass_obj
def restore(settings: Settings, file: Path) -> None:
    """Put the backup FILE in the place of a database that is not there any more.

    Nothing is overwritten: move the old database (and its -wal and -shm files) away first.
    Refused while a service or an engine works on the data directory.

    \b
    Example: grms-server restore /backup/grms-2026-11-27.db
    """
    from grms import store
    from grms.server import guard
    from grms.server.wiring import make_data_dir

    make_data_dir(settings)
    with guard.nobody(settings.data_dir):
        store.restore(settings.database_url, file)
    click.echo(f"the database is that of {file}; now look at it: grms-server check")
