"""``grms-server``: reads Settings, builds the edges, wires them, serves."""


def main() -> None:
    """The command. What it needs is loaded now: the engine's process does without."""
    from grms.server.cli import main as command

    command(prog_name="grms-server")
