"""``bhist -l``: the log of a job, which outlives what bjobs remembers (CLEAN_PERIOD).

bhist wraps lines at 80 columns, inside words, and indents what follows by 21 columns.
"""

from __future__ import annotations

import re

from grms.adapters import answers
from grms.adapters.lsf import states
from grms.adapters.lsf.rows import SYSTEM
from grms.broker.ports.batch import Account, CommandResult
from grms.broker.records import Exit, Usage

_FLAGS = re.ASCII | re.MULTILINE
_WHEN = r"^\w{3} \w{3} +\d+ [\d:]+(?: \d{4})?: +"
_WRAPPED = re.compile(r"\n {21}(?=\S)")
_HEAD = re.compile(r"^Job (?:Id )?<(\d{1,15})>(?:, Job Name <([^>]*)>)?", re.MULTILINE | re.ASCII)
_CPU = re.compile(r"The CPU time used is (\d{1,12}(?:\.\d{1,9})?) sec", re.ASCII)
_CODE = re.compile(_WHEN + r"Exited with exit code (\d{1,9})\b", _FLAGS)
_SIGNAL = re.compile(_WHEN + r"Exited by signal (\d{1,3})\b", _FLAGS)
_TERM = re.compile(r"TERM_\w+(?:: [^;.]*)?")
_KILLED = re.compile(_WHEN + r"Signal <KILL> requested by user or administrator", _FLAGS)
_DONE = re.compile(_WHEN + r"Done successfully", _FLAGS)
_END = re.compile(_WHEN + r"(?:Done successfully|Completed <|Exited\b)", _FLAGS)
_WENT_ON = re.compile(_WHEN + r"(?:Dispatched|Starting|Job has been requeued|Pending)", _FLAGS)
_TIMES = re.compile(r"PEND +PSUSP +RUN .*\n *\d+ +\d+ +(\d{1,12})\b", re.ASCII)
_NOTHING = re.compile(r"No matching job found|is not found", re.IGNORECASE)


def read(result: CommandResult) -> dict[str, str]:
    """Job id -> its log, unwrapped. Raises SiteError."""
    answer = answers.text(result, SYSTEM)
    heads = list(_HEAD.finditer(unwrapped := _WRAPPED.sub("", answer)))
    if not heads:
        if _NOTHING.search(answers.complaint(result)):
            return {}
        raise answers.down(SYSTEM, result)
    ends = [head.start() for head in heads[1:]] + [len(unwrapped)]
    return {
        head.group(1): unwrapped[head.start() : end] for head, end in zip(heads, ends, strict=True)
    }


def tag(log: str) -> str:
    """The job's name, "" if it had none of its own."""
    found = _HEAD.match(log)
    return (found.group(2) or "") if found else ""


def account(native_id: str, log: str) -> Account | None:
    """How the last run ended; None while it has not, or where the log is cut short.

    A whole log closes with the summary of times.
    """
    end, run = _last_run(log), _TIMES.search(log)
    if not run or not _END.search(end):
        return None
    reason, cpu = _TERM.search(end), _CPU.search(end)
    killed = bool(_KILLED.search(end)) or bool(reason and states.by_user(reason.group()))
    why = reason.group() if reason else "killed by bkill" if killed else ""
    return Account(
        native_id=native_id,
        exit=_exit(end, why),
        tag=tag(log),
        usage=Usage(wall=float(run.group(1)), cpu=float(cpu.group(1)) if cpu else 0.0),
        by_user=killed,
        raw=log,
    )


def _last_run(log: str) -> str:
    """The events since the job was last dispatched or put back in the queue."""
    starts = [found.start() for found in _WENT_ON.finditer(log)]
    return log[starts[-1] if starts else 0 :]


def _exit(end: str, reason: str) -> Exit:
    if _DONE.search(end):
        return states.exit_of("DONE", "")
    if signal := _SIGNAL.search(end):
        return Exit(signal=int(signal.group(1)), reason=reason)
    code = _CODE.search(end)
    return states.exit_of("EXIT", code.group(1) if code else "", reason)
