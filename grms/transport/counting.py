"""A transport that counts the commands it runs, so that a site can see what the broker asks."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from grms.broker.ports.batch import Command, CommandResult
from grms.broker.ports.transport import TellsChanges, Transport

_MINUTE = 60.0


class Calls:
    """How many commands ran on each cluster in the last minute. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._calls: deque[tuple[float, str, int]] = deque()
        self._lock = threading.Lock()

    def add(self, cluster: str, count: int) -> None:
        """Count commands that are about to run."""
        with self._lock:
            self._calls.append((self._clock(), cluster, count))
            self._forget()

    def last_minute(self) -> dict[str, int]:
        """Commands of the last minute by cluster; clusters without any are absent."""
        with self._lock:
            self._forget()
            total: Counter[str] = Counter()
            for _, cluster, count in self._calls:
                total[cluster] += count
        return dict(total)

    def _forget(self) -> None:
        while self._calls and self._calls[0][0] <= self._clock() - _MINUTE:
            self._calls.popleft()


class CountingTransport:
    """Another transport, with each command counted for ``cluster``."""

    def __init__(self, inner: Transport, cluster: str, calls: Calls) -> None:
        self._inner = inner
        self._cluster = cluster
        self._calls = calls

    @property
    def same_filesystem(self) -> bool:
        """As the inner transport says."""
        return self._inner.same_filesystem

    def run(self, command: Command) -> CommandResult:
        """Count and run."""
        self._calls.add(self._cluster, 1)
        return self._inner.run(command)

    def run_many(self, commands: Sequence[Command]) -> Sequence[CommandResult]:
        """Count and run all."""
        self._calls.add(self._cluster, len(commands))
        return self._inner.run_many(commands)

    def write(self, files: Mapping[str, bytes], *, mode: int = 0o600, durable: bool = True) -> None:
        """See the port."""
        self._inner.write(files, mode=mode, durable=durable)

    def read(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        """See the port."""
        return self._inner.read(paths)

    def sweep(self, directory: str, *, limit: int = 1000) -> Mapping[str, bytes]:
        """See the port."""
        return self._inner.sweep(directory, limit=limit)

    def tell_changes(self, directory: str, call: Callable[[], None]) -> bool:
        """See the port; False where the inner transport cannot."""
        inner = self._inner
        return isinstance(inner, TellsChanges) and inner.tell_changes(directory, call)

    def remove(self, paths: Sequence[str]) -> None:
        """See the port."""
        self._inner.remove(paths)

    def make_directories(self, paths: Sequence[str], *, mode: int = 0o700) -> None:
        """See the port."""
        self._inner.make_directories(paths, mode=mode)

    def put(self, source: Path, target: str, *, mode: int | None = None) -> None:
        """See the port."""
        self._inner.put(source, target, mode=mode)

    def get(self, source: str, target: Path) -> None:
        """See the port."""
        self._inner.get(source, target)

    def close(self) -> None:
        """See the port."""
        self._inner.close()
