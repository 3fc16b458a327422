"""A service in a process of its own that ends itself by kill -9 at the point that a file names.

The file is ``point`` in the data directory. Settings come from the environment, as for the
product. No engine is started.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event

from grms.config import Settings, load
from grms.server import processes

#: A submission on its way through the service.
ACCEPTING = (
    "accept read",  # understood, nothing is written
    "accept written",  # in an open transaction
    "accept committed",  # on disk, nobody was told
    "accept answered",  # the engine was told, the caller was not
)


class Accepting:
    """The store and the poker of a service, which may end at one of the points."""

    def __init__(self, appointment: Path) -> None:
        self._appointment = appointment
        self._accepts = False

    def pass_by(self, point: str) -> None:
        """End the process if this is the point."""
        if self._appointment.exists() and self._appointment.read_text() == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def store(self, inner: Any) -> Any:
        """The same store; its commits are heard of while a job is accepted."""
        accept = inner.accept

        def accepting(*args: Any, **more: Any) -> Any:
            self.pass_by("accept read")
            self._accepts = True
            try:
                accepted = accept(*args, **more)
            finally:
                self._accepts = False
            self.pass_by("accept committed")
            return accepted

        event.listen(inner._database.engine, "commit", self._commits)
        inner.accept = accepting
        return inner

    def _commits(self, _connection: object) -> None:
        if self._accepts:
            self.pass_by("accept written")

    def poker(self, inner: Callable[[], None]) -> Any:
        """The same poker, with the last point after it."""

        class Poking:
            def __call__(_, /) -> None:  # noqa: N805 - self is whoever makes it
                inner()
                self.pass_by("accept answered")

            def close(_, /) -> None:  # noqa: N805
                inner.close()  # type: ignore[attr-defined]

        return Poking()


def main() -> None:
    """Serve until SIGTERM, or until the point."""
    settings = load()
    accepting = Accepting(settings.data_dir / "point")
    opened, poker = processes.opened, processes.Poker

    @contextmanager
    def open_pointed(settings: Settings) -> Iterator[Any]:
        with opened(settings) as store:
            yield accepting.store(store)

    processes.opened = open_pointed
    processes.Poker = lambda place: accepting.poker(poker(place))  # type: ignore[assignment, misc]
    processes.serve(settings, with_engine=False)


if __name__ == "__main__":
    main()
