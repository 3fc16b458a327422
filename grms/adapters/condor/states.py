"""HTCondor's words in the broker's.

Source: HTCondor Manual 23.9, "Job ClassAd Attributes" (JobStatus, HoldReasonCode), read
2026-11-27, and the answers of HTCondor 23.9.6 on Debian (tests/captured/condor).

=========  =====================  ===================================================
JobStatus  HTCondor               here
=========  =====================  ===================================================
1          Idle                   WAITING; FAULTY once it had started (see below)
2          Running                RUNNING
3          Removed                ENDING (it is in the history a moment later)
4          Completed              ENDED
5          Held                   HELD by its owner (codes 1, 15), else FAULTY
6          Transferring Output    ENDING
7          Suspended              SUSPENDED
=========  =====================  ===================================================

HTCondor puts a job that lost its machine back in the queue. The jobs of the broker carry a
requirement that forbids a second start, so such a job never goes on by itself: FAULTY.
"""

from __future__ import annotations

from grms.broker.ports.batch import NativeState

#: JobStatus -> HTCondor's own word and the broker's state.
STATES = {
    1: ("Idle", NativeState.WAITING),
    2: ("Running", NativeState.RUNNING),
    3: ("Removed", NativeState.ENDING),
    4: ("Completed", NativeState.ENDED),
    5: ("Held", NativeState.FAULTY),
    6: ("TransferringOutput", NativeState.ENDING),
    7: ("Suspended", NativeState.SUSPENDED),
}

IDLE, REMOVED, COMPLETED, HELD = 1, 3, 4, 5

#: HoldReasonCode of a hold that its owner asked for: condor_hold, and "submit held".
OWN_HOLDS = frozenset({1, 15})

#: HoldReasonCode 16: held only until its input has been spooled.
SPOOLING = 16

#: HoldReasonCode of a run that was ended by allowed_job_duration or allowed_execute_duration.
DURATION_HOLDS = frozenset({46, 47})

#: HoldReasonCode of a run that was ended for its memory (HoldReasonCode 34).
MEMORY_HOLDS = frozenset({34})
