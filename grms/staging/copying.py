# ruff: noqa: PTH101, PTH102, PTH116, PTH118, PTH120, PTH211
"""Copies within the file system: complete under the final name, or absent. Paths are bytes."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from typing import BinaryIO

from grms.broker.ports.staging import Moved
from grms.jobside import trees

Open = Callable[[bytes], BinaryIO]


class ChangedError(Exception):
    """The source was written to while it was read."""


def copy_tree(source: bytes, target: bytes, open_file: Open) -> Moved:
    """Copy a file or a directory; ``open_file`` opens what is read and may refuse it.

    An existing file is replaced; an existing directory takes the new files in, each whole.
    Raises OSError, ChangedError, or trees.RefusedError for special files and links that lead out.
    """
    listing = trees.entries(source)
    part = trees.temporary(target)
    try:
        moved = _copy(source, listing, part, open_file)
        trees.promote(part, target)
    except BaseException:
        trees.discard(part)
        raise
    trees.sync_directory(os.path.dirname(target))
    return moved


def _copy(source: bytes, listing: list[tuple[str, bytes]], part: bytes, open_file: Open) -> Moved:
    size = files = 0
    digest = ""
    directories = []
    for kind, name in listing:
        old, new = (os.path.join(root, name) if name else root for root in (source, part))
        if kind == "d":
            os.mkdir(new, 0o700)
            directories.append((new, stat.S_IMODE(os.stat(old).st_mode)))
        elif kind == "l":
            start = os.path.realpath(os.path.dirname(old))
            os.symlink(os.path.relpath(os.path.realpath(old), start), new)
        else:
            with open_file(old) as file:
                length, digest = copy_file(file, new)
            size, files = size + length, files + 1
    for path, mode in reversed(directories):
        trees.sync_directory(path)
        os.chmod(path, mode)
    return Moved(size, files, digest if len(listing) == 1 and files else "")


def copy_file(source: BinaryIO, target: bytes) -> tuple[int, str]:
    """Copy an open file to a new name, synced; the answer is its size and SHA-256.

    The execute bits come along; set-user-id and its like do not.
    """
    before = os.fstat(source.fileno())
    digest = hashlib.sha256()
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as out:
        while chunk := source.read(trees.CHUNK):
            digest.update(chunk)
            out.write(chunk)
        out.flush()
        os.fchmod(fd, stat.S_IMODE(before.st_mode) & 0o777)
        os.fsync(fd)
        written = os.fstat(fd).st_size
    after = os.fstat(source.fileno())
    if written != before.st_size or _stamp(before) != _stamp(after):
        raise ChangedError
    return written, digest.hexdigest()


def _stamp(about: os.stat_result) -> tuple[int, int]:
    return about.st_size, about.st_mtime_ns
