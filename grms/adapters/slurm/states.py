"""Slurm's words and what they mean to the broker.

Job states and reasons: ``man squeue`` of Slurm 22.05.8 (Debian 12), sections JOB STATE CODES and
JOB REASON CODES, read 2026-11-27; the same in ``slurm.schedmd.com/squeue.html`` for 24.11.
"""

from __future__ import annotations

from grms.broker.ports.batch import NativeState
from grms.broker.records import Exit

MANUAL = "man squeue (Slurm 22.05.8), JOB STATE CODES, read 2026-11-27"

_S = NativeState

#: The long state words (``squeue -o %T``). Ended ones stay listed for MinJobAge.
STATES: dict[str, NativeState] = {
    "PENDING": _S.WAITING,
    "REQUEUED": _S.WAITING,
    "REQUEUE_FED": _S.WAITING,
    "CONFIGURING": _S.WAITING,  # its nodes are booting
    "REQUEUE_HOLD": _S.HELD,
    "RUNNING": _S.RUNNING,
    "RESIZING": _S.RUNNING,
    "SIGNALING": _S.RUNNING,
    "SUSPENDED": _S.SUSPENDED,
    "STOPPED": _S.SUSPENDED,  # stopped with its processors kept
    "COMPLETING": _S.ENDING,
    "STAGE_OUT": _S.ENDING,
    "SPECIAL_EXIT": _S.FAULTY,  # requeued and held after a special exit
    "RESV_DEL_HOLD": _S.FAULTY,  # its reservation was deleted
    "BOOT_FAIL": _S.ENDED,
    "CANCELLED": _S.ENDED,
    "COMPLETED": _S.ENDED,
    "DEADLINE": _S.ENDED,
    "FAILED": _S.ENDED,
    "NODE_FAIL": _S.ENDED,
    "OUT_OF_MEMORY": _S.ENDED,
    "PREEMPTED": _S.ENDED,
    "REVOKED": _S.ENDED,
    "TIMEOUT": _S.ENDED,
}

#: Reasons of a PENDING job that somebody holds.
HELD = frozenset({"JobHeldUser", "JobHeldAdmin"})

#: Reasons of a PENDING job that no waiting cures, in words for its owner.
HOPELESS: dict[str, str] = {
    "AccountNotAllowed": "this project may not use the partition",
    "AccountingPolicy": "it breaks a limit of the accounting policy",
    "AssocMaxCpuMinutesPerJobLimit": "it asks for more CPU time than the project allows a job",
    "AssocMaxCpuPerJobLimit": "it asks for more CPUs than the project allows a job",
    "AssocMaxMemPerJob": "it asks for more memory than the project allows a job",
    "AssocMaxNodePerJobLimit": "it asks for more nodes than the project allows a job",
    "AssocMaxWallDurationPerJobLimit": "it asks for more time than the project allows a job",
    "BadConstraints": "no node has what it asks for",
    "DeadLine": "it can no longer end before its deadline",
    "DependencyNeverSatisfied": "the job that it depends on can never satisfy it",
    "InvalidAccount": "the project is not known to Slurm",
    "InvalidQOS": "the quality of service is not known to Slurm",
    "JobHoldMaxRequeue": "it was put back too often and is held",
    "PartitionConfig": "it asks for more than the partition has",
    "PartitionNodeLimit": "it asks for more nodes than the partition allows",
    "PartitionTimeLimit": "it asks for more time than the partition allows",
    "QOSMaxCpuPerJobLimit": "it asks for more CPUs than its quality of service allows a job",
    "QOSMaxMemoryPerJob": "it asks for more memory than its quality of service allows a job",
    "QOSMaxNodePerJobLimit": "it asks for more nodes than its quality of service allows a job",
    "QOSMaxWallDurationPerJobLimit": "it asks for more time than its quality of service allows",
    "QOSNotAllowed": "its quality of service is not allowed here",
    "ReservationDeleted": "its reservation was deleted",
    "launch failed requeued held": "it could not be started, and Slurm holds it",
}

#: What the ended states say where the exit code does not tell.
_REASONS: dict[str, str] = {
    "BOOT_FAIL": "its node did not boot",
    "DEADLINE": "ended at its deadline",
    "NODE_FAIL": "its node failed",
    "PREEMPTED": "ended to make room for another job",
    "REVOKED": "taken over by another cluster",
}

#: ``ExitCode`` 0:53 is no signal: slurmd could not start the script (bad directory or output file).
_NOT_STARTED = 53


def judge(state: str, reason: str) -> tuple[NativeState, str]:
    """The broker's state and the reason for the owner, of Slurm's state word and reason."""
    known = STATES.get(state, NativeState.UNKNOWN)
    plain = reason.strip("()")
    if known is not NativeState.WAITING:
        return known, "" if plain == "None" else plain
    if plain in HELD:
        return NativeState.HELD, plain
    if plain in HOPELESS:
        return NativeState.FAULTY, f"Slurm will never start it: {HOPELESS[plain]} ({plain})"
    return known, "" if plain == "None" else plain


def exit_of(state: str, code: int, signal: int) -> Exit | None:
    """How a job ended, of its state word and ``ExitCode=code:signal``; None if it has not."""
    if STATES.get(state) is not NativeState.ENDED:
        return None
    if state == "COMPLETED":
        return Exit(code=0)
    if state == "TIMEOUT":
        # sacct says 0:0 for it, scontrol 0:15.
        return Exit(signal=signal or 15, limit="wall")
    if state == "OUT_OF_MEMORY":
        return Exit(signal=signal or 9, limit="memory")
    if state == "CANCELLED":
        return Exit(signal=signal or 15, reason="cancelled in Slurm")
    if state in _REASONS:
        return Exit(reason=_REASONS[state])
    if signal == _NOT_STARTED:
        return Exit(reason="Slurm could not start it (working directory or output file)")
    return Exit(signal=signal) if signal else Exit(code=code)
