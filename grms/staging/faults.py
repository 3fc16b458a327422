"""The errors of file movement: always the URL, the reason, and whether trying again can help."""

from __future__ import annotations

import errno

from grms.errors import ErrorCode, Fault, StagingError

_USER = {
    errno.ENOENT: ErrorCode.FILE_NOT_FOUND,
    errno.ENOTDIR: ErrorCode.FILE_NOT_FOUND,
    errno.EISDIR: ErrorCode.FILE_NOT_ALLOWED,
    errno.EACCES: ErrorCode.FILE_NOT_ALLOWED,
    errno.EPERM: ErrorCode.FILE_NOT_ALLOWED,
    errno.EROFS: ErrorCode.FILE_NOT_ALLOWED,
    errno.ELOOP: ErrorCode.FILE_NOT_ALLOWED,
    errno.ENAMETOOLONG: ErrorCode.FILE_NOT_ALLOWED,
    errno.EINVAL: ErrorCode.FILE_NOT_ALLOWED,
}


def user_fault(url: str, reason: str, code: ErrorCode = ErrorCode.FILE_NOT_ALLOWED) -> StagingError:
    """What only the job's owner can mend."""
    return StagingError(f"{url}: {reason}", code=code, fault=Fault.USER, transient=False)


def site_fault(url: str, reason: str, code: ErrorCode = ErrorCode.TRANSFER_FAILED) -> StagingError:
    """What may be gone at the next try."""
    return StagingError(f"{url}: {reason}", code=code)


class LaterError(StagingError):
    """The server cannot serve now; ``retry_after`` are the seconds it asks to wait, if it does."""

    retry_after: float | None = None


def os_fault(url: str, error: OSError) -> StagingError:
    """An error of the file system, for the URL that was read or written."""
    reason = error.strerror or str(error)
    if error.errno in _USER:
        return user_fault(url, reason, _USER[error.errno])
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return site_fault(url, f"{reason}; it is tried again later", ErrorCode.NO_SPACE)
    return site_fault(url, reason)
