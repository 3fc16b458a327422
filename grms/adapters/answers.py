"""What the command-line batch systems share: reading an answer, saying why there is none."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence

from grms.adapters.base import plain_result_error, words
from grms.broker.ports.batch import CommandResult, Outcome, Submission
from grms.errors import ErrorCode, SiteError


def text(result: CommandResult, system: str) -> str:
    """Standard output as text. Raises SiteError where the command did not run to its end."""
    if error := plain_result_error(system, result):
        raise error
    return result.stdout.decode("utf-8", "replace")


def complaint(result: CommandResult) -> str:
    """What a command said went wrong: stderr, or else stdout, on one line and not too long."""
    return " ".join(words(result).split())[:500] or f"exit code {result.exit} and no text"


def down(system: str, result: CommandResult) -> SiteError:
    """The system answered nothing that can be used, and said why."""
    return SiteError(
        f"{system} gave no answer: {complaint(result)}", code=ErrorCode.BATCH_SYSTEM_DOWN
    )


def rubbish(system: str, why: str, answer: str = "") -> SiteError:
    """The system answered something that is not its language."""
    return SiteError(
        f"{system} answered something that cannot be read: {why}",
        code=ErrorCode.BAD_ANSWER,
        detail=answer[:2000],
    )


def refused(system: str, result: CommandResult, *, transient: bool) -> SiteError:
    """The system did not take a job; ``transient`` says whether it might later."""
    return SiteError(
        f"{system} refused the job: {complaint(result)}",
        code=ErrorCode.REFUSED_BY_BATCH_SYSTEM,
        transient=transient,
    )


def submit_result(
    system: str, result: CommandResult, pattern: re.Pattern[str], final: re.Pattern[str]
) -> str:
    """The native id (group 1 of ``pattern``) of an accepted job.

    A refusal whose words match ``final`` is for good. Success without an id is unknown: the tag
    has to tell.
    """
    answer = text(result, system)
    if result.exit != 0:
        raise refused(system, result, transient=not final.search(complaint(result)))
    found = pattern.search(answer)
    if not found:
        raise rubbish(system, "no job id after a submission", answer)
    return found.group(1)


def script(submission: Submission, *preparations: str) -> bytes:
    """A POSIX shell script that becomes the job's wrapper."""
    lines = ["#!/bin/sh", *preparations, "exec " + shlex.join(submission.wrapper), ""]
    return "\n".join(lines).encode()


def program(folder: str, name: str) -> str:
    """A program by its full path when the site says where its system's programs lie."""
    return f"{folder.rstrip('/')}/{name}" if folder else name


def outcomes(
    native_ids: Sequence[str], result: CommandResult, judge: Callable[[str, str], Outcome]
) -> dict[str, Outcome]:
    """``judge(id, the lines that speak of it)`` for each id."""
    lines = (result.stdout + b"\n" + result.stderr).decode("utf-8", "replace").splitlines()
    answer: dict[str, Outcome] = {}
    for native_id in native_ids:
        named = re.compile(rf"(?<![\w.]){re.escape(native_id)}(?![\w]|\.\w)")
        answer[native_id] = judge(
            native_id, " ".join(line.strip() for line in lines if named.search(line))
        )
    return answer


def seconds(clock: str) -> float:
    """``HH:MM:SS`` or ``MM:SS`` or seconds; 0.0 for anything else."""
    try:
        parts = [float(part) for part in clock.split(":")]
    except ValueError:
        return 0.0
    total = 0.0
    for part in parts:
        total = total * 60 + part
    return total
