"""The transport to this host as the service's own account; ``account`` has the one to others."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from grms.broker.ports.batch import Command, CommandResult
from grms.jobside import trees
from grms.transport.changes import Changes
from grms.transport.kept import KeptProcesses
from grms.transport.own_files import copy, told
from grms.transport.process import run_process

#: Commands of one ``run_many`` that run at the same time.
_AT_ONCE = 4


class LocalTransport:
    """Runs commands and touches files on this host."""

    same_filesystem = True

    def __init__(self) -> None:
        self._kept = KeptProcesses()
        self._changes = Changes()

    def run(self, command: Command) -> CommandResult:
        """Run one command, or ask a kept process for it; see the port."""
        environment = own_environment() | dict(command.env)
        if command.kept is not None:
            return self._kept.ask(command.kept, environment, command.timeout)
        return run_process(
            command.argv,
            env=environment,
            cwd=command.cwd,
            stdin=command.stdin,
            timeout=command.timeout,
        )

    def run_many(self, commands: Sequence[Command]) -> Sequence[CommandResult]:
        """Run independent commands, a few at a time."""
        if len(commands) < 2:
            return [self.run(command) for command in commands]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(self.run, commands))

    def write(self, files: Mapping[str, bytes], *, mode: int = 0o600, durable: bool = True) -> None:
        """Write small files whole."""
        if files:
            with told(f"write {os.path.commonpath(files)}"):
                contents = {os.fsencode(path): text for path, text in files.items()}
                trees.write_all(contents, mode, durable)

    def read(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        """Read the small files that exist."""
        found = {}
        for path in paths:
            with told(f"read {path}"):
                content = trees.read_or_none(os.fsencode(path))
            if content is not None:
                found[path] = content
        return found

    def sweep(self, directory: str, *, limit: int = 1000) -> Mapping[str, bytes]:
        """The oldest files of an inbox."""
        with told(f"read {directory}"):
            return trees.sweep(os.fsencode(directory), limit)

    def tell_changes(self, directory: str, call: Callable[[], None]) -> bool:
        """See ``grms.broker.ports.transport.TellsChanges``."""
        return self._changes.tell(directory, call)

    def remove(self, paths: Sequence[str]) -> None:
        """Remove files and whole directories."""
        for path in paths:
            with told(f"remove {path}"):
                trees.discard(os.fsencode(path))

    def make_directories(self, paths: Sequence[str], *, mode: int = 0o700) -> None:
        """Make directories with their parents."""
        for path in paths:
            with told(f"make {path}"):
                trees.make_directories(os.fsencode(path), mode)

    def put(self, source: Path, target: str, *, mode: int | None = None) -> None:
        """Copy a file or directory to its place for a job."""
        copy(source, Path(target), mode)

    def get(self, source: str, target: Path) -> None:
        """Copy a file or directory of a job."""
        copy(Path(source), target, None)

    def close(self) -> None:
        """End the processes that were kept, and tell nothing more."""
        self._kept.close()
        self._changes.close()


def own_environment() -> dict[str, str]:
    """The service's environment without its own settings, which may hold secrets."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GRMS_")}
    return kept | {"LC_ALL": "C"}
