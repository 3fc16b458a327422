"""The kernel's word that files appeared in a directory (inotify), in place of looking often.

Source: inotify(7). Python's library has no binding, libc has.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable

_MOVED_TO = 0x80
_CREATE = 0x100


class Changes:
    """One thread that listens for all directories of a transport."""

    def __init__(self) -> None:
        self._handle = -1
        self._calls: dict[int, Callable[[], None]] = {}
        self._lock = threading.Lock()

    def tell(self, directory: str, call: Callable[[], None]) -> bool:
        """Call ``call``, from a thread, after names appeared there; False where that cannot be had.

        One call may stand for many names. Nothing is told of what was there before.
        """
        libc = ctypes.CDLL(None, use_errno=True)
        with self._lock:
            if self._handle < 0 and not self._listen(libc):
                return False
            watch = libc.inotify_add_watch(
                self._handle, os.fsencode(directory), _MOVED_TO | _CREATE
            )
            if watch < 0:
                return False
            self._calls[watch] = call
        return True

    def close(self) -> None:
        """Tell nothing more; the thread ends with the process."""
        with self._lock:
            self._calls.clear()

    def _listen(self, libc: ctypes.CDLL) -> bool:
        try:
            self._handle = libc.inotify_init1(os.O_CLOEXEC)
        except AttributeError:  # a libc without it
            return False
        if self._handle >= 0:
            thread = threading.Thread(target=self._hear, name="grms-changes", daemon=True)
            thread.start()
        return self._handle >= 0

    def _hear(self) -> None:
        while True:
            try:
                events = os.read(self._handle, 65536)
            except OSError:
                return
            for watch in watches(events):
                if call := self._calls.get(watch):
                    call()


def watches(events: bytes) -> set[int]:
    """The watches of a run of ``struct inotify_event``: int, three uint32, a name.

    Names that begin with a dot are being written and do not count.
    """
    found = set()
    while events:
        end = 16 + int.from_bytes(events[12:16], sys.byteorder)
        if events[16:17] != b".":
            found.add(int.from_bytes(events[:4], sys.byteorder, signed=True))
        events = events[end:]
    return found
