"""One broker for each data directory: a lock that the kernel gives back when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from grms.errors import ConfigError

SERVER = "server"
ENGINE = "engine"
_PAUSE = 0.1


@contextmanager
def held(data_dir: Path, role: str, *, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock of ``role`` on ``data_dir``.

    Raises ConfigError, naming the holder, if another process keeps it for ``patience`` seconds.
    """
    path = _path(data_dir, role)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(
            f"cannot write {path}: {error.strerror}; give {data_dir} to the service's account"
        ) from error
    try:
        deadline = time.monotonic() + patience
        while not _taken(handle):
            if time.monotonic() >= deadline:
                raise ConfigError(_busy(path, data_dir, role))
            time.sleep(_PAUSE)
        _sign(handle)
        yield
    finally:
        os.close(handle)


@contextmanager
def nobody(data_dir: Path) -> Iterator[None]:
    """While this is held no broker can start on ``data_dir``. Raises ConfigError if one runs."""
    with ExitStack() as stack:
        for role in (SERVER, ENGINE):
            stack.enter_context(held(data_dir, role))
        yield


def holder(data_dir: Path, role: str) -> str:
    """The process id of whoever holds the lock of ``role``; "" when nobody does."""
    try:
        handle = os.open(_path(data_dir, role), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return "" if _taken(handle) else os.pread(handle, 32, 0).decode("ascii", "replace").strip()
    finally:
        os.close(handle)


def _path(data_dir: Path, role: str) -> Path:
    return data_dir / f"{role}.lock"


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(handle: int) -> None:
    """Say who holds the lock, for people; a full disk must not keep a broker from its work."""
    os.ftruncate(handle, 0)
    with suppress(OSError):
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)


def _busy(path: Path, data_dir: Path, role: str) -> str:
    pid = path.read_text("ascii", "replace").strip() or "unknown"
    return (
        f"a GRMS {role} (process {pid}) is at work on {data_dir}; "
        "stop it first, or give this one another --data-dir"
    )
