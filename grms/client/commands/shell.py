"""The command that sets up the user's shell."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from grms.client.group import Command
from grms.client.session import PROGRAM, examples

VARIABLE = "_GRMS_CLIENT_COMPLETE"


@click.command(
    "completion",
    cls=Command,
    section="Other",
    epilog=examples(
        'bash, in ~/.bashrc:  eval "$(grms-client completion bash)"',
        'zsh, in ~/.zshrc:    eval "$(grms-client completion zsh)"',
        "fish:  grms-client completion fish > ~/.config/fish/completions/grms-client.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that lets a shell complete commands, options and job ids."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"This click knows no completion for {shell}.")
    script = kind(context.find_root().command, {}, PROGRAM, VARIABLE)
    # Past BashComplete.source, which starts a bash to ask for its version.
    click.echo(ShellComplete.source(script))


COMMANDS = (completion,)
