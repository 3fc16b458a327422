"""Fairness between processes that write to one SQLite file.

SQLite lets whoever asks at the right moment begin. A process that writes without a pause asks so
much more often than one that sleeps between its tries that the other waits for seconds. So each
first takes a lock file, and gives it back once its transaction has begun: the busy process has to
queue behind the one that is waiting for its beginning.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from grms.errors import StoreError

#: Seconds until the courtesy ends and SQLite's own locks alone decide: a stopped process that
#: holds the file must not stop the others.
PATIENCE = 5.0


class Turn:
    """The lock file beside a database, as a context manager; for one thread at a time.

    Making one raises StoreError when the file cannot be opened.
    """

    def __init__(self, database: Path) -> None:
        file = f"{database}-turn"
        try:
            self._handle = os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                f"cannot open {file}: {error.strerror}; check its owner and mode, and those of its "
                "directory",
                transient=False,
            ) from error

    def __enter__(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self._take() and time.monotonic() < deadline:
            time.sleep(0.001)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._handle, fcntl.LOCK_UN)

    def _take(self) -> bool:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Give up the file; it stays where it is, for the others."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
