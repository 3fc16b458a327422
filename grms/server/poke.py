"""How the service tells the engine's process that there is something to do: one datagram."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

_LONGEST = 100  # sun_path holds 108 bytes on Linux


def address(data_dir: Path) -> str:
    """The engine's socket. Abstract where the path would be too long for a socket's name."""
    path = str(data_dir.resolve() / "engine.sock")
    return path if len(path.encode()) < _LONGEST else "\0grms-" + path[-80:]


class Poker:
    """Sends; never blocks, never fails: without a poke the engine looks once a second anyway."""

    def __init__(self, data_dir: Path) -> None:
        self._address = address(data_dir)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def __call__(self) -> None:
        """Wake the engine."""
        with contextlib.suppress(OSError):
            self._socket.sendto(b".", self._address)

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()


class Listener:
    """Receives pokes in a thread and calls ``wake``."""

    def __init__(self, data_dir: Path, wake: Callable[[], None]) -> None:
        self._address = address(data_dir)
        self._wake = wake
        if not self._address.startswith("\0"):
            Path(self._address).unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._address)
        self._thread = threading.Thread(target=self._listen, name="grms-poke", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                word = self._socket.recv(16)
            except OSError:
                return
            if word == b"stop":
                return
            self._wake()

    def close(self) -> None:
        """End the thread and release the socket."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(b"stop", self._address)
        self._thread.join(timeout=5)
        self._socket.close()
        if not self._address.startswith("\0"):
            Path(self._address).unlink(missing_ok=True)
