"""An engine in a process of its own that ends itself by kill -9 at a point: ``engine.py [POINT]``.

Settings come from the environment, as for the product. ``POINT:3`` is the third passage. Each
point is appended to ``points`` in the data directory when it is first passed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from contextlib import suppress
from threading import Lock

from points import Tell, pointed

from grms.broker.edges import Edges
from grms.config import Settings, load
from grms.errors import GrmsError
from grms.server import working

#: The exit status of an engine that says why it cannot start now (EX_TEMPFAIL).
CANNOT_START = 75


def teller(settings: Settings, kill_at: str) -> Tell:
    """Counts passages, and ends the process at the one that is wished for."""
    point, _, number = kill_at.partition(":")
    passed, lock = Counter[str](), Lock()

    def tell(name: str) -> None:
        with lock:
            passed[name] += 1
            if passed[name] == 1:
                # A full disk is for the broker to survive, not for us to fail on.
                with suppress(OSError), (settings.data_dir / "points").open("a") as file:
                    file.write(f"{name}\n")
            if name == point and passed[name] >= int(number or 1):
                os.kill(os.getpid(), signal.SIGKILL)

    return tell


def main() -> None:
    """Be an engine until SIGTERM, or until the point."""
    settings = load()
    tell = teller(settings, sys.argv[1] if len(sys.argv) > 1 else "")
    make_edges = working.make_edges

    def make(*args: object) -> Edges:
        return pointed(make_edges(*args), tell)  # type: ignore[arg-type]

    working.make_edges = make
    working.run_engine(settings)


if __name__ == "__main__":
    try:
        main()
    except GrmsError as error:  # the service would start it again
        print(error.message, file=sys.stderr)
        sys.exit(CANNOT_START)
