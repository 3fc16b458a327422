"""``grms-server``: the administrator's command."""

from __future__ import annotations

import secrets
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from grms import __version__
from grms.broker.access import token_digest
from grms.broker.records import Principal
from grms.config import Settings, load
from grms.errors import GrmsError
from grms.server.care_cli import backup, check, restore
from grms.server.cluster_cli import cluster
from grms.server.conformance_cli import conformance
from grms.server.jobs_cli import export, jobs, orphans, parked, release
from grms.server.wiring import opened

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _Group(click.Group):
    """Turns our errors into one clear message and exit code 1, never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GrmsError as error:
            click.echo(f"grms-server: {error.message}", err=True)
            sys.exit(1)


@click.group(cls=_Group, context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="grms-server")
@click.option("--config", type=click.Path(path_type=Path), help="TOML file with settings.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where the broker keeps all.")
@click.pass_context
def main(ctx: click.Context, config: Path | None, data_dir: Path | None) -> None:
    """Run and look after a GRMS broker.

    Settings come from --config (or GRMS_CONFIG), then from GRMS_* variables.

    \b
    Examples:
      grms-server --data-dir /var/lib/grms serve
      grms-server user add alice --admin
      grms-server cluster list
    """
    ctx.obj = load(config, data_dir=data_dir)


@main.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0: a free one.")
@click.option("--engine/--no-engine", default=True, help="Work on jobs too, or only answer.")
@click.pass_obj
def serve(settings: Settings, host: str | None, port: int | None, engine: bool) -> None:
    """Serve callers, and work on their jobs, until SIGTERM.

    \b
    Example: grms-server --data-dir /var/lib/grms serve --port 8443
    """
    from grms.server.processes import serve as run

    changes: dict[str, Any] = {"host": host, "port": port}
    run(
        replace(settings, **{k: v for k, v in changes.items() if v is not None}),
        with_engine=engine,
    )


@main.command()
@click.pass_obj
def engine(settings: Settings) -> None:
    """Only work on jobs, beside a service that was started with --no-engine."""
    from grms.server.working import run_engine

    run_engine(settings)


@main.command()
@click.pass_obj
def migrate(settings: Settings) -> None:
    """Bring the database to this version's form, and say so."""
    with opened(settings):
        click.echo(f"{settings.database_url.split('@')[-1]} is up to date")


main.add_command(cluster)


@main.group()
def user() -> None:
    """Who may call: names, tokens, rights."""


@user.command("add")
@click.argument("name")
@click.option("--admin", is_flag=True, help="May see and steer everybody's jobs.")
@click.option("--account", default="", help="Local account that the jobs run as.")
@click.option("--project", "projects", multiple=True, help="Member of this project; repeatable.")
@click.option("--token-file", type=click.Path(path_type=Path), help="Write the token there, 0600.")
@click.pass_obj
def user_add(
    settings: Settings,
    name: str,
    admin: bool,
    account: str,
    projects: tuple[str, ...],
    token_file: Path | None,
) -> None:
    """Add NAME (a distinguished name or a plain one), or give it a new token; print the token.

    \b
    Example: grms-server user add /C=PL/O=GRID/CN=Alice --account alice
    """
    token = secrets.token_urlsafe(32)
    principal = Principal(name, account, admin, frozenset(projects))
    with opened(settings) as store:
        store.put_principal(principal, token_digest(token))
    if token_file is None:
        click.echo(token)
        return
    token_file.parent.mkdir(parents=True, exist_ok=True)
    token_file.touch(mode=0o600)
    token_file.chmod(0o600)
    token_file.write_text(f"{token}\n", "utf-8")
    click.echo(f"the token of {name} is in {token_file}")


@user.command("list")
@click.pass_obj
def user_list(settings: Settings) -> None:
    """List who may call; tokens are not kept, only their digests."""
    with opened(settings) as store:
        for principal in store.principals():
            rights = ["admin"] if principal.admin else []
            rights += [f"account={principal.account}"] if principal.account else []
            rights += [f"project={name}" for name in sorted(principal.projects)]
            click.echo("\t".join([principal.name, *rights]))


@user.command("remove")
@click.argument("name")
@click.pass_obj
def user_remove(settings: Settings, name: str) -> None:
    """Take NAME's access away; its jobs go on."""
    with opened(settings) as store:
        if not store.remove_principal(name):
            raise click.ClickException(f"there is no user {name!r}; see: grms-server user list")


for _command in (check, conformance, backup, restore, jobs, parked, release, export, orphans):
    main.add_command(_command)
