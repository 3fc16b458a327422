"""SGE's letters and numbers and what they mean to the broker.

Letters: ``man qstat`` of Son of Grid Engine 8.1.9 (Debian 12), section OUTPUT FORMATS, "status of
the job". Numbers of ``failed``: ``man sge_status`` and ``man accounting`` of the same. Read
2026-11-27.
"""

from __future__ import annotations

from grms.broker.ports.batch import NativeState
from grms.broker.records import Exit

MANUAL = "man qstat (Son of Grid Engine 8.1.9), OUTPUT FORMATS, read 2026-11-27"

_LETTERS = frozenset("dEhrRsStTwqz")

#: ``failed``: the run ended only to be started again; the job goes on.
AGAIN = frozenset({24, 25})  # migrating, rescheduling
_AFTER_JOB = 100  # "assumedly after job": a signal ended it, whoever sent it
_LIMIT = 37  # "qmaster enforced h_rt, h_cpu, or h_vmem limit"

#: The script maps the exit codes 99 (run again) and 100 (error state) to this one.
SHIFTED = 98


def judge(letters: str) -> NativeState:
    """The broker's state for the letters of ``qstat``, which come in any combination."""
    word = set(letters)
    if not word or word - _LETTERS:
        return NativeState.UNKNOWN
    if "z" in word:
        return NativeState.ENDED
    if "E" in word:
        return NativeState.FAULTY
    if word & set("sST"):
        return NativeState.SUSPENDED
    if "r" in word:
        return NativeState.RUNNING  # dr too: being deleted is not deleted; hr: held for a next run
    if "h" in word and word & set("qwR"):
        return NativeState.HELD
    if word & set("qwtR"):
        return NativeState.WAITING  # t: on its way to the host, no proof of a start
    return NativeState.UNKNOWN if word != {"d"} else NativeState.ENDING


def exit_of(failed: int, why: str, status: int, *, limit: str = "") -> Exit | None:
    """How a run ended, of ``failed`` and ``exit_status``; None if the job goes on.

    ``limit`` names the limit that was asked for, should it prove to be the cause. A job's exit
    code above 128 cannot be told from a signal; above 192 there is no such signal.
    """
    if failed in AGAIN:
        return None
    if failed not in (0, _AFTER_JOB, _LIMIT):
        return Exit(reason=f"SGE could not run it: failed {failed}, {why or 'no reason given'}")
    signal = status - 128 if 128 < status <= 192 else None
    if failed == _LIMIT:
        return Exit(signal=signal or 9, reason=why, limit=limit)
    if signal is not None:
        # qdel, any other kill and a crash of the job's own look the same here.
        return Exit(signal=signal)
    if status == SHIFTED:
        return Exit(reason="exit code 98, 99 or 100; SGE cannot tell which")
    return Exit(code=status)
