"""File operations on this host as the service's own account: ``trees`` with the port's errors."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from grms.errors import ErrorCode, Fault, SiteError, StagingError
from grms.jobside import trees
from grms.jobside.helper import exact

_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}


@contextmanager
def told(what: str) -> Generator[None, None, None]:
    """Turn the OSError of ``what`` ("write /a/b") into a SiteError."""
    try:
        yield
    except OSError as error:
        code = ErrorCode.NO_SPACE if error.errno in _FULL else ErrorCode.CLUSTER_UNREACHABLE
        raise SiteError(f"cannot {what}: {_reason(error)}", code=code) from error


def _reason(error: OSError) -> str:
    return _FULL.get(error.errno or 0) or error.strerror or str(error)


def copy(source: Path, target: Path, mode: int | None) -> None:
    """Copy a file or a tree: complete and verified under the name ``target``, or absent.

    Raises StagingError: NO_SPACE; FILE_NOT_FOUND without a source; FILE_NOT_ALLOWED for links
    that lead out of the tree and for special files.
    """
    try:
        listing = trees.entries(os.fsencode(source))
    except FileNotFoundError as error:
        raise StagingError(
            f"there is no {source}",
            code=ErrorCode.FILE_NOT_FOUND,
            fault=Fault.USER,
            transient=False,
        ) from error
    except trees.RefusedError as error:
        raise _refused(error) from error
    try:
        _pour(os.fsencode(source), listing, os.fsencode(target), mode)
    except trees.RefusedError as error:
        raise _refused(error) from error
    except (OSError, trees.BrokenError) as error:
        full = isinstance(error, OSError) and error.errno in _FULL
        reason = _reason(error) if isinstance(error, OSError) else str(error)
        raise StagingError(
            f"cannot copy {source} to {target}: {reason}",
            code=ErrorCode.NO_SPACE if full else ErrorCode.TRANSFER_FAILED,
        ) from error


def _refused(error: Exception) -> StagingError:
    return StagingError(
        str(error), code=ErrorCode.FILE_NOT_ALLOWED, fault=Fault.USER, transient=False
    )


def _pour(source: bytes, listing: list[tuple[str, bytes]], target: bytes, mode: int | None) -> None:
    """Send and receive at once, through a pipe: the same path as to a distant cluster."""
    reading, writing = os.pipe()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(_send, source, listing, writing)
        try:
            with os.fdopen(reading, "rb") as stream:
                trees.receive_tree(target, exact(stream), mode)
        except trees.BrokenError:
            sending.result()  # why it broke, if the sender knows
            raise
        sending.result()


def _send(source: bytes, listing: list[tuple[str, bytes]], writing: int) -> None:
    try:
        with os.fdopen(writing, "wb") as stream:
            trees.send_tree(source, listing, stream.write)
    except BrokenPipeError:
        return  # the receiver gave up and says why
