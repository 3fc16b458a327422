"""LSF's words in the broker's.

Sources: IBM Spectrum LSF 10.1, bjobs reference (job states, exit reasons TERM_*), read
2026-11-27; the answers of OpenLava 4.0 (tests/captured/lsf).

======  ====================================  ====================================
word    LSF                                   here
======  ====================================  ====================================
PEND    waiting                               WAITING
WAIT    waiting, member of a chunk            WAITING
PROV    dispatched, host is being woken       WAITING
PSUSP   held while waiting                    HELD
RUN     running                               RUNNING
USUSP   suspended by its owner or an admin    SUSPENDED
SSUSP   suspended by LSF; also for seconds    SUSPENDED
        after bresume
DONE    ended with 0                          ENDED
EXIT    ended otherwise                       ENDED
UNKWN   its host is not heard of              UNKNOWN: no end
ZOMBI   killed while its host is not heard of UNKNOWN: no end
======  ====================================  ====================================
"""

from __future__ import annotations

from grms.broker.ports.batch import NativeState
from grms.broker.records import Exit

STATES = {
    "PEND": NativeState.WAITING,
    "WAIT": NativeState.WAITING,
    "PROV": NativeState.WAITING,
    "PSUSP": NativeState.HELD,
    "RUN": NativeState.RUNNING,
    "USUSP": NativeState.SUSPENDED,
    "SSUSP": NativeState.SUSPENDED,
    "DONE": NativeState.ENDED,
    "EXIT": NativeState.ENDED,
    "UNKWN": NativeState.UNKNOWN,
    "ZOMBI": NativeState.UNKNOWN,
}

#: LSF's exit reason -> the limit that ended the job.
_LIMITS = {
    "TERM_RUNLIMIT": "wall",
    "TERM_CPULIMIT": "cpu",
    "TERM_MEMLIMIT": "memory",
    "TERM_SWAP": "memory",
}

#: LSF's exit reasons for "somebody asked for it": bkill, also with -r.
_BY_USER = ("TERM_OWNER", "TERM_ADMIN", "TERM_FORCE_OWNER", "TERM_FORCE_ADMIN")

#: 128 + SIGUSR2: what LSF sends first when the run limit is over.
_RUN_LIMIT = 140


def exit_of(word: str, code: str, reason: str = "") -> Exit:
    """``code`` is empty (OpenLava) or ``-`` (LSF) where the job has none."""
    if word == "DONE":
        return Exit(code=0)
    limit = next((limit for term, limit in _LIMITS.items() if term in reason), "")
    number = int(code[:9]) if code.isascii() and code.isdigit() else None
    if limit or number == _RUN_LIMIT:
        return Exit(code=number, limit=limit or "wall", reason=reason)
    if number is None:
        return Exit(reason=reason or "LSF ended the job without an exit code")
    return Exit(code=number, reason=reason)


def by_user(reason: str) -> bool:
    """True when LSF's exit reason names a person."""
    return any(term in reason for term in _BY_USER)
