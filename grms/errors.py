"""One tree of errors: each has a code, whose fault it is, and whether trying again can help.

The codes are what SOAP's ``GrmsResponse.errorCode`` and the exit table of ``grms-client`` carry;
``docs/reference/errors.md`` lists them and a test holds the two together. A code never changes its
meaning; new ones are added at the end of their group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum, unique


@unique
class Fault(Enum):
    """Whose fault an error is."""

    USER = "user"
    SITE = "site"
    BROKER = "broker"


@unique
class ErrorCode(IntEnum):
    """The numbers users and programs see. 0 is success, as in the historical contract."""

    OK = 0
    # 1-9: the request itself
    BAD_REQUEST = 1
    TOO_LARGE = 2
    UNKNOWN_OPERATION = 3
    # 10-19: the job description
    BAD_DESCRIPTION = 10
    NOT_CARRIED_OUT = 11
    UNSAFE_DESCRIPTION = 12
    # 20-29: who and what
    NOT_AUTHENTICATED = 20
    NOT_ALLOWED = 21
    UNKNOWN_JOB = 22
    UNKNOWN_NOTIFICATION = 23
    UNKNOWN_FILE = 24
    NO_APPLICATION_ACCESS = 25
    # 30-39: the job's state
    ILLEGAL_STATE = 30
    KEY_REUSED = 31
    NOTHING_BETTER = 32
    NOT_CHECKPOINTABLE = 33
    # 40-49: resources
    NO_RESOURCE = 40
    UNKNOWN_CLUSTER = 41
    CLUSTER_UNREACHABLE = 42
    REFUSED_BY_BATCH_SYSTEM = 43
    BATCH_SYSTEM_DOWN = 44
    BAD_ANSWER = 45
    # 50-59: files
    FILE_NOT_FOUND = 50
    FILE_NOT_ALLOWED = 51
    TRANSFER_FAILED = 52
    NO_SPACE = 53
    UNSUPPORTED_URL = 54
    # 60-69: how a job ended
    JOB_FAILED = 60
    JOB_LOST = 61
    LIMIT_EXCEEDED = 62
    PARKED = 63
    # 90-99: the broker
    CONFIGURATION = 90
    STORE_UNAVAILABLE = 91
    INTERNAL = 99
    # 120-: accepted, but carried out only in part
    STORED_ONLY = 120


class GrmsError(Exception):
    """The root. ``str(error)`` is fit for a user; ``detail`` is for whoever debugs.

    ``transient`` says that the same thing may succeed later without anybody changing anything.
    """

    code: ErrorCode = ErrorCode.INTERNAL
    fault: Fault = Fault.BROKER
    transient: bool = False

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode | None = None,
        fault: Fault | None = None,
        transient: bool | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        if code is not None:
            self.code = code
        if fault is not None:
            self.fault = fault
        if transient is not None:
            self.transient = transient


class RequestError(GrmsError):
    """The caller asked for something that cannot be; asking again changes nothing."""

    code = ErrorCode.BAD_REQUEST
    fault = Fault.USER


@dataclass(frozen=True, slots=True)
class Mistake:
    """One fault of a job description.

    ``line`` is 1-based, 0 where no line can be named; ``path`` is an XPath-like place;
    ``cure`` says how to mend it.
    """

    line: int
    path: str
    what: str
    cure: str = ""
    code: ErrorCode = ErrorCode.BAD_DESCRIPTION

    def __str__(self) -> str:
        place = f"line {self.line}, {self.path}" if self.line else self.path
        return f"{place}: {self.what}" + (f" ({self.cure})" if self.cure else "")


class DescriptionError(RequestError):
    """A job description with all its mistakes at once, in document order."""

    code = ErrorCode.BAD_DESCRIPTION

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        count = len(self.mistakes)
        head = "1 mistake" if count == 1 else f"{count} mistakes"
        lines = "\n".join(f"  {mistake}" for mistake in self.mistakes)
        codes = {mistake.code for mistake in self.mistakes}
        code = codes.pop() if len(codes) == 1 else ErrorCode.BAD_DESCRIPTION
        super().__init__(f"the job description has {head}:\n{lines}", code=code)


class AccessError(RequestError):
    """The caller is unknown, or may not do this."""

    code = ErrorCode.NOT_ALLOWED


class StateError(RequestError):
    """The job's state does not allow this. ``str`` names the state and what would be legal."""

    code = ErrorCode.ILLEGAL_STATE


class SiteError(GrmsError):
    """A cluster, its batch system or the way to it failed."""

    code = ErrorCode.CLUSTER_UNREACHABLE
    fault = Fault.SITE
    transient = True


class StagingError(GrmsError):
    """A file could not be moved. The message names the URL and the reason."""

    code = ErrorCode.TRANSFER_FAILED
    fault = Fault.SITE
    transient = True


class StoreError(GrmsError):
    """The store cannot be reached, or is damaged."""

    code = ErrorCode.STORE_UNAVAILABLE
    transient = True


class ConflictError(GrmsError):
    """A compare-and-set found another version: somebody else was quicker. Read again."""

    code = ErrorCode.STORE_UNAVAILABLE
    transient = True


class ConfigError(GrmsError):
    """The configuration is wrong. The message names the setting, the value and the cure."""

    code = ErrorCode.CONFIGURATION
    fault = Fault.USER
