"""The rows of ``bjobs -o``.

``-json`` would be easier to read, but OpenLava has none. Free text may hold the delimiter, so it
comes last. bjobs prints times without a year and without a zone; they are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from grms.adapters import answers
from grms.adapters.lsf import states
from grms.broker.ports.batch import CommandResult, NativeState, NativeStatus
from grms.broker.records import Usage

SYSTEM = "LSF"

#: What both know; LSF 10 adds the rest.
COMMON = ("jobid", "stat", "exit_code", "job_name")
LSF_ONLY = ("run_time", "cpu_used", "exit_reason", "pend_reason")

#: What bjobs says of jobs that it does not know, one line for each.
_ABSENT = re.compile(
    r"Job <[^>]*> is not found|No (?:unfinished |matching )?job found|No job found", re.IGNORECASE
)

Row = Mapping[str, str]


def fields(openlava: bool) -> tuple[str, ...]:
    """The columns of this dialect, in order."""
    return COMMON if openlava else COMMON + LSF_ONLY


def form(openlava: bool) -> str:
    """The argument of ``-o``."""
    return " ".join(fields(openlava)) + " delimiter='|'"


def absent(result: CommandResult) -> bool:
    """True when all that stderr says is that jobs are unknown."""
    lines = result.stderr.decode("utf-8", "replace").splitlines()
    return all(_ABSENT.match(line.strip()) for line in lines if line.strip())


def read(result: CommandResult, openlava: bool) -> list[Row]:
    """Raises SiteError for anything but rows and words about unknown jobs."""
    answer = answers.text(result, SYSTEM)
    if not absent(result):
        raise answers.down(SYSTEM, result)
    if result.exit != 0 and not result.stderr.strip():
        raise answers.down(SYSTEM, result)
    names = fields(openlava)
    found: list[Row] = []
    for line in answer.splitlines():
        if not line.strip() or _ABSENT.match(line.strip()):
            continue
        cells = [cell.strip() for cell in line.split("|", len(names) - 1)]
        if len(cells) != len(names) or not _is_id(cells[0]):
            raise answers.rubbish(SYSTEM, f"row {line!r:.100}", answer)
        found.append(dict(zip(names, cells, strict=True)))
    return found


def status(row: Row) -> NativeStatus:
    """The state of one job."""
    word = row["stat"]
    state = states.STATES.get(word, NativeState.UNKNOWN)
    reason = _given(row, "exit_reason")
    ended = state is NativeState.ENDED
    return NativeStatus(
        native_id=row["jobid"],
        state=state,
        word=word,
        reason=reason if ended else _given(row, "pend_reason"),
        tag=row["job_name"],
        exit=states.exit_of(word, row["exit_code"], reason) if ended else None,
        usage=Usage(wall=_number(row, "run_time"), cpu=_number(row, "cpu_used")),
    )


def _is_id(cell: str) -> bool:
    return cell.isascii() and cell.isdigit()


def _given(row: Row, name: str) -> str:
    value = row.get(name, "")
    return "" if value == "-" else value


def _number(row: Row, name: str) -> float:
    """``12 second(s)`` or ``0.0 second(s)``."""
    found = re.match(r"\d{1,12}(?:\.\d{1,9})?", row.get(name, ""), re.ASCII)
    return float(found.group()) if found else 0.0
