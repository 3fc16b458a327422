"""The exit codes of ``grms-client``; ``docs/reference/grms-client.md`` lists them.

A code never changes its meaning.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, unique

from grms.client.errors import BadAnswerError, RefusedError, UnreachableError
from grms.errors import ConfigError, GrmsError


@unique
class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    REQUEST = 1
    USAGE = 2
    DESCRIPTION = 3
    IDENTITY = 4
    STATE = 5
    RESOURCES = 6
    FILES = 7
    FAILED = 8
    CANCELED = 9
    BROKER = 10
    NO_BROKER = 11
    TIMEOUT = 12
    INTERRUPTED = 130


#: First digit of an ErrorCode -> exit code.
_GROUPS = {
    0: Exit.REQUEST,
    1: Exit.DESCRIPTION,
    2: Exit.IDENTITY,
    3: Exit.STATE,
    4: Exit.RESOURCES,
    5: Exit.FILES,
    6: Exit.FAILED,
}


class WaitedTooLongError(GrmsError):
    """The time given with ``--timeout`` passed before the jobs ended."""


def for_error(error: GrmsError) -> Exit:
    """The exit code that tells of ``error``."""
    if isinstance(error, WaitedTooLongError):
        return Exit.TIMEOUT
    if isinstance(error, UnreachableError | BadAnswerError):
        return Exit.NO_BROKER
    if isinstance(error, ConfigError):
        return Exit.USAGE
    if isinstance(error, RefusedError):
        return _GROUPS.get(error.code // 10, Exit.BROKER)
    return _GROUPS.get(error.code // 10, Exit.REQUEST)


def for_states(states: Iterable[str]) -> Exit:
    """The exit code that tells how jobs ended: the worst of them."""
    ended = set(states)
    if "FAILED" in ended:
        return Exit.FAILED
    return Exit.CANCELED if "CANCELED" in ended else Exit.OK
