"""The port of transports: the only place where something runs or a file is touched on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from grms.broker.ports.batch import Command, CommandResult


class Transport(Protocol):
    """The way to one account on one cluster.

    Every method raises SiteError: ``transient=True`` when the host cannot be reached now,
    ``transient=False`` for what only a person can mend (wrong key, unknown host key, no such
    account). Paths are absolute, on the cluster.
    """

    def run(self, command: Command) -> CommandResult:
        """Run one command to its end. A missing program is exit 127 with the reason on stderr."""
        ...

    def run_many(self, commands: Sequence[Command]) -> Sequence[CommandResult]:
        """Run independent commands in as few round trips as the way allows; results in order."""
        ...

    def write(self, files: Mapping[str, bytes], *, mode: int = 0o600, durable: bool = True) -> None:
        """Write small files whole: under a temporary name, synced, renamed; parents are made.

        What is not ``durable`` may be taken by a crash of the cluster's host.
        """
        ...

    def read(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        """Read small files; those that do not exist are absent from the answer."""
        ...

    def sweep(self, directory: str, *, limit: int = 1000) -> Mapping[str, bytes]:
        """The files of an inbox with their contents, oldest names first, at most ``limit``.

        Names that begin with a dot are being written and are left out. A missing directory is
        empty.
        """
        ...

    def remove(self, paths: Sequence[str]) -> None:
        """Remove files and whole directories; what is not there is no error."""
        ...

    def make_directories(self, paths: Sequence[str], *, mode: int = 0o700) -> None:
        """Make directories with their parents; existing ones are kept."""
        ...

    def put(self, source: Path, target: str, *, mode: int | None = None) -> None:
        """Copy a file or a whole directory to the cluster; complete and verified, or absent."""
        ...

    def get(self, source: str, target: Path) -> None:
        """Copy a file or a whole directory from the cluster; complete and verified, or absent.

        Raises StagingError(FILE_NOT_FOUND) if ``source`` does not exist; links that lead out of
        the directory of ``source`` are refused.
        """
        ...

    def close(self) -> None:
        """Give up connections; the next call opens them again."""
        ...

    @property
    def same_filesystem(self) -> bool:
        """True when the broker's process can read and write the cluster's paths itself."""
        ...


@runtime_checkable
class TellsChanges(Protocol):
    """A transport that knows of new files without looking."""

    def tell_changes(self, directory: str, call: Callable[[], None]) -> bool:
        """Call ``call``, from any thread, after files appeared in a directory; it must not block.

        False where that cannot be had after all. What is told may be late or lost: it spares looks,
        it does not replace them.
        """
        ...
