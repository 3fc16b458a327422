"""``grms-client``: a command per verb of the broker."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from grms import __version__
from grms.client import settings
from grms.client.commands import files, grms2, information, jobs, listeners, lists, shell
from grms.client.exits import Exit, for_error
from grms.client.group import Group
from grms.client.session import PROGRAM, Session, examples, json_flag
from grms.errors import GrmsError


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "grms-client submit job.xml           submit a job, print its id",
        "grms-client watch JOBID              follow it to its end",
        "grms-client submit --wait job.xml    both at once",
        "grms-client COMMAND --help           more about a command",
    ),
)
@click.option(
    "--server",
    metavar="URL",
    help=f"The broker. [GRMS_SERVER; default: {settings.DEFAULT_SERVER}]",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="File with your token. [GRMS_TOKEN_FILE, GRMS_TOKEN; default: ~/.config/grms/token]",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="TOML file with server, token, token_file, timeout. [default: ~/.config/grms/client.toml]",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="How long to wait for one answer. [GRMS_TIMEOUT; default: 60]",
)
@json_flag
@click.version_option(__version__, prog_name=PROGRAM)
@click.pass_context
def cli(
    context: click.Context,
    server: str | None,
    token_file: Path | None,
    config: Path | None,
    timeout: float | None,
) -> None:
    """Submit jobs to a GRMS broker, follow them, and steer them."""
    session = context.ensure_object(Session)
    session.options = settings.Options(config, server, token_file, timeout)


for _module in (jobs, lists, information, files, listeners, grms2, shell):
    for _command in _module.COMMANDS:
        cli.add_command(_command)


def run(arguments: Sequence[str] | None = None, session: Session | None = None) -> int:
    """Run the program; its exit code."""
    session = session or Session()
    try:
        code = cli.main(
            None if arguments is None else list(arguments),
            prog_name=PROGRAM,
            standalone_mode=False,
            obj=session,
        )
    except GrmsError as error:
        session.fail(error)
        return for_error(error)
    except click.Abort:
        click.echo(f"{PROGRAM}: interrupted", err=True)
        return Exit.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    return code if isinstance(code, int) else Exit.OK


def main() -> NoReturn:
    """The entry point of ``grms-client``."""
    sys.exit(run())
