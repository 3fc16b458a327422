"""What adapters share: names of options, and how a failed command becomes an error."""

from __future__ import annotations

from grms.broker.ports.batch import CommandResult
from grms.errors import ErrorCode, SiteError

#: Option of a cluster: the Python that runs the wrapper on its hosts; "python3" if not given.
PYTHON = "python"
#: Option of a cluster: where the wrapper program lies on it. The engine sets it.
WRAPPER = "wrapper"

_LONGEST = 2000


def text(data: bytes) -> str:
    """What a batch system printed; bytes that are not UTF-8 stay recognisable."""
    return data.decode("utf-8", "backslashreplace")


def words(result: CommandResult) -> str:
    """What a command said, for a person: stderr, else stdout, shortened."""
    said = text(result.stderr).strip() or text(result.stdout).strip()
    return said if len(said) <= _LONGEST else said[:_LONGEST] + " ..."


def plain_result_error(what: str, result: CommandResult) -> SiteError | None:
    """The error of a command that cannot have told anything, or None.

    ``what`` names the command for the reader. Timed out, killed, not found, not executable: all
    the same for every batch system. Exit statuses of the command's own are the adapter's to judge.
    """
    if result.timed_out:
        return SiteError(
            f"{what} did not answer in time", code=ErrorCode.BATCH_SYSTEM_DOWN, detail=words(result)
        )
    if result.exit in (126, 127):
        return SiteError(
            f"{what} cannot be run on the cluster: {words(result) or 'no such command'}"
            " (is it installed there, and do the cluster's options name its path?)",
            code=ErrorCode.CONFIGURATION,
        )
    if result.exit < 0:
        return SiteError(
            f"{what} was killed by signal {-result.exit}",
            code=ErrorCode.BATCH_SYSTEM_DOWN,
            detail=words(result),
        )
    return None


def rubbish(what: str, result: CommandResult) -> SiteError:
    """The error of an answer that makes no sense: nothing is known from it."""
    return SiteError(
        f"{what} answered something that cannot be understood (exit {result.exit}):"
        f" {words(result)[:200]!r}",
        code=ErrorCode.BAD_ANSWER,
        detail=words(result),
    )
