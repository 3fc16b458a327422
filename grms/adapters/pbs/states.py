"""PBS's words in the broker's.

Sources: OpenPBS 23.06 Reference Guide, "Job States" and "Job Exit Status Codes"; TORQUE 6.1
Administrator Guide, qstat(1) and "Job exit status"; both read 2026-11-27; and the answers of
OpenPBS 23.06.06 (tests/captured/pbs).

====  =====================================  =====================================
word  PBS                                    here
====  =====================================  =====================================
Q     queued                                 WAITING; FAULTY if "Can Never Run"
W     waiting for its start time             WAITING
T     being moved to another place           WAITING
H     held: u by its owner, o by operators   HELD; FAULTY for s, the system's hold
R     running                                RUNNING
B     array with a started element           RUNNING
S     suspended                              SUSPENDED
U     suspended, workstation in use          SUSPENDED
E     exiting                                ENDING
F     finished (OpenPBS)                     ENDED
C     completed (TORQUE)                     ENDED
X     finished element of an array           ENDED
====  =====================================  =====================================

M (moved to another server) is in no row: where it went on is not known here.

====================  ==========================================================
Exit status           meaning
====================  ==========================================================
0 to 127              exit code of the script
128 + n               its shell says: a child died of signal n
256 + n               the script itself died of signal n
271 (256 + 15)        most often qdel
negative              PBS ended or never started it, see ``LIMITS`` and ``FAILURES``
====================  ==========================================================
"""

from __future__ import annotations

from grms.broker.ports.batch import NativeState
from grms.broker.records import Exit

STATES = {
    "Q": NativeState.WAITING,
    "W": NativeState.WAITING,
    "T": NativeState.WAITING,
    "H": NativeState.HELD,
    "R": NativeState.RUNNING,
    "B": NativeState.RUNNING,
    "S": NativeState.SUSPENDED,
    "U": NativeState.SUSPENDED,
    "E": NativeState.ENDING,
    "F": NativeState.ENDED,
    "C": NativeState.ENDED,
    "X": NativeState.ENDED,
}

#: How a comment begins when the scheduler has given a job up.
NEVER = "Can Never Run"

#: Negative exit status -> the limit that ended the job. -10 to -12 are TORQUE's numbers.
LIMITS = {
    -10: "memory",
    -11: "wall",
    -12: "cpu",
    -26: "memory",
    -27: "memory",
    -28: "cpu",
    -29: "wall",
}

#: Negative exit status -> what happened.
FAILURES = {
    -1: "PBS could not start the job (before its files were set up)",
    -2: "PBS could not start the job (after its files were set up)",
    -3: "PBS could not start the job and means to try again",
    -4: "PBS ended the job when its execution host was restarted",
    -5: "PBS ended the job when its execution host was restarted (checkpointed)",
    -6: "PBS ended the job when its execution host was restarted (checkpointed elsewhere)",
    -24: "PBS ended the job: a burst of too many processors in use",
    -25: "PBS ended the job: too many processors in use",
}

_SIGNALS = 256

#: Substate of a job in the history that qdel ended.
TERMINATED = 91


def exit_of(status: int | None, comment: str = "") -> Exit:
    """What an exit status says; None: the job ended without one, which is before it started."""
    if status is None:
        return Exit(reason=comment or "PBS ended the job before it had started")
    if status in LIMITS:
        return Exit(limit=LIMITS[status], reason=comment)
    if status < 0:
        return Exit(reason=FAILURES.get(status, f"PBS failed the job with status {status}"))
    if status >= _SIGNALS:
        return Exit(signal=status - _SIGNALS)
    return Exit(code=status)
