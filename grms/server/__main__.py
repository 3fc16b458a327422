"""``python -m grms.server`` is ``grms-server``."""

from grms.server.cli import main

if __name__ == "__main__":
    main(prog_name="grms-server")
