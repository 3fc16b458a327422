"""``file:`` URLs: files of the broker's own host, under the directories that a site allows."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from grms.broker.ports.staging import Moved
from grms.errors import StagingError
from grms.jobside import trees
from grms.staging.copying import ChangedError, copy_tree
from grms.staging.faults import os_fault, site_fault, user_fault
from grms.staging.urls import file_path


class LocalStager:
    """``grms.broker.ports.staging.Stager`` for ``file:``.

    ``roots`` are the directories under which such URLs may lie once every link is followed; none
    means that nothing is allowed. ``home`` is what ``${HOME}`` stands for. Files are read and
    written with the rights of the broker's own process.
    """

    def __init__(self, roots: Sequence[Path], home: str = "") -> None:
        self.roots = tuple(Path(os.path.realpath(root)) for root in roots)
        self.home = home

    def check(self, url: str, *, writing: bool) -> None:
        """See the port."""
        self._place(url, writing=writing)

    def fetch(self, url: str, target: Path, *, directory: bool = False) -> Moved:
        """See the port."""
        with _told(url):
            source = self._place(url, writing=False)
            _expect(url, source, directory=directory)
            target.parent.mkdir(parents=True, exist_ok=True)
            return copy_tree(
                os.fsencode(source), os.fsencode(target), lambda path: self._open(url, path)
            )

    def deliver(self, source: Path, url: str, *, directory: bool = False) -> Moved:
        """See the port. Missing directories above the target are made."""
        with _told(url):
            target = self._place(url, writing=True)
            if source.is_dir() != directory:
                raise user_fault(url, _mismatch(str(source), directory=directory))
            if target.is_dir() and not directory:
                raise user_fault(url, "there is a directory of that name; name the file in it")
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._held(url, target.parent) as place:
                return copy_tree(
                    os.fsencode(source),
                    place + b"/" + os.fsencode(target.name),
                    lambda path: open(path, "rb"),  # noqa: PTH123  (bytes)
                )

    def size(self, url: str) -> int | None:
        """See the port."""
        try:
            about = self._place(url, writing=False).stat()
        except (StagingError, OSError):
            return None
        return about.st_size if stat.S_ISREG(about.st_mode) else None

    def _place(self, url: str, *, writing: bool) -> Path:
        path = file_path(url, self.home)
        try:
            # A new name replaces a link; what counts is where its directory really is.
            parent, name = os.path.split(path.rstrip("/") or "/")
            real = Path(os.path.realpath(path))
            if writing and name not in ("", ".", "..") and not os.path.isdir(path):  # noqa: PTH112
                real = Path(os.path.realpath(parent), name)
        except (OSError, ValueError) as error:
            raise user_fault(url, f"this path cannot be followed: {error}") from error
        self._allow(url, real)
        return real

    def _allow(self, url: str, real: Path) -> None:
        if any(real.is_relative_to(root) for root in self.roots):
            return
        allowed = ", ".join(str(root) for root in self.roots)
        where = f"it is not under {allowed}" if allowed else "this broker allows no file: URLs"
        raise user_fault(url, f"{where} (setting file_roots); really it is {real}")

    def _open(self, url: str, path: bytes) -> BinaryIO:
        """Open for reading, and look again at what was opened: a link may have been slipped in."""
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        file = os.fdopen(fd, "rb")
        try:
            self._allow(url, _opened(fd))
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise trees.RefusedError(f"{os.fsdecode(path)} is not a file")
        except BaseException:
            file.close()
            raise
        return file

    @contextmanager
    def _held(self, url: str, directory: Path) -> Iterator[bytes]:
        """A name of ``directory`` that stays the same directory, whoever renames or links."""
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._allow(url, _opened(fd))
            yield b"/proc/self/fd/%d" % fd
        finally:
            os.close(fd)


def _opened(fd: int) -> Path:
    return Path(os.readlink(f"/proc/self/fd/{fd}"))  # noqa: PTH115  (a magic link)


def _expect(url: str, source: Path, *, directory: bool) -> None:
    if stat.S_ISDIR(source.stat().st_mode) != directory:
        raise user_fault(url, _mismatch("it", directory=directory))


def _mismatch(name: str, *, directory: bool) -> str:
    if directory:
        return f"{name} is not a directory; describe it as a file"
    return f"{name} is a directory; describe it as a directory"


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Every failure as a StagingError that names the URL."""
    try:
        yield
    except OSError as error:
        raise os_fault(url, error) from error
    except trees.RefusedError as error:
        raise user_fault(url, str(error)) from error
    except ChangedError as error:
        raise site_fault(url, "it was written to while it was read") from error
