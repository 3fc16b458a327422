"""The ten states of a job, the table of transitions, and the one function that applies it."""

from __future__ import annotations

from enum import Enum, IntEnum, unique

from grms.errors import StateError


@unique
class JobState(Enum):
    """The states of the historical contract (user guide slides 9-10); CANCELED has one L."""

    QUEUED = "QUEUED"  # received, waits to be handled
    PREPROCESSING = "PREPROCESSING"  # a resource is sought, files are moved in
    PENDING = "PENDING"  # waits in the local batch system
    RUNNING = "RUNNING"  # is executed
    STOPPED = "STOPPED"  # ended or checkpointed, its output not yet fetched
    POSTPROCESSING = "POSTPROCESSING"  # outputs are fetched, the directory is cleaned
    SUSPENDED = "SUSPENDED"  # held in place, or checkpointed and off its resource
    FINISHED = "FINISHED"  # end: success
    FAILED = "FAILED"  # end: the reason is in the error description
    CANCELED = "CANCELED"  # end: by the user's wish

    @property
    def is_end(self) -> bool:
        """True for FINISHED, FAILED and CANCELED."""
        return self in ENDS


ENDS = frozenset({JobState.FINISHED, JobState.FAILED, JobState.CANCELED})
LIVE = frozenset(JobState) - ENDS


@unique
class Trigger(Enum):
    """What moves a job; glossed at each edge of ``TRANSITIONS``."""

    PLACED = "placed"
    SUBMITTED = "submitted"
    STARTED = "started"
    REQUEUED = "requeued"
    ENDED = "ended"
    COLLECTING = "collecting"
    COLLECTED = "collected"
    HELD = "held"
    RELEASED = "released"
    OFF_RESOURCE = "off_resource"
    REPLACE = "replace"
    FAIL = "fail"
    CANCEL = "cancel"
    CORRECTED = "corrected"


_S, _T = JobState, Trigger

#: (from, trigger) -> to. Whatever is not here is illegal.
TRANSITIONS: dict[tuple[JobState, Trigger], JobState] = {
    (_S.QUEUED, _T.PLACED): _S.PREPROCESSING,  # a cluster was chosen
    (_S.PREPROCESSING, _T.SUBMITTED): _S.PENDING,  # the batch system knows the job
    (_S.PENDING, _T.STARTED): _S.RUNNING,  # proof of the start
    (_S.RUNNING, _T.REQUEUED): _S.PENDING,  # the batch system put it back by itself
    (_S.PENDING, _T.ENDED): _S.STOPPED,  # the end was seen before the start was
    (_S.RUNNING, _T.ENDED): _S.STOPPED,  # proof of the end
    (_S.SUSPENDED, _T.ENDED): _S.STOPPED,  # ended although held
    (_S.STOPPED, _T.COLLECTING): _S.POSTPROCESSING,  # outputs are on their way
    (_S.POSTPROCESSING, _T.COLLECTED): _S.FINISHED,  # everything delivered and verified
    (_S.QUEUED, _T.HELD): _S.SUSPENDED,  # a waiting job is held by the broker
    (_S.PREPROCESSING, _T.HELD): _S.SUSPENDED,
    (_S.PENDING, _T.HELD): _S.SUSPENDED,  # held in the batch system's queue
    (_S.RUNNING, _T.HELD): _S.SUSPENDED,  # stopped in place
    (_S.SUSPENDED, _T.RELEASED): _S.PENDING,  # back in the batch system's queue
    (_S.SUSPENDED, _T.STARTED): _S.RUNNING,  # goes on in place
    (_S.STOPPED, _T.OFF_RESOURCE): _S.SUSPENDED,  # checkpointed, its files are safe
    (_S.STOPPED, _T.REPLACE): _S.QUEUED,  # checkpointed: goes on elsewhere (migration)
    (_S.SUSPENDED, _T.REPLACE): _S.QUEUED,  # resumed by a new placement
    (_S.PREPROCESSING, _T.REPLACE): _S.QUEUED,  # the place failed before the start
    (_S.PENDING, _T.REPLACE): _S.QUEUED,  # withdrawn from a queue, or lost with proof
    (_S.RUNNING, _T.REPLACE): _S.QUEUED,  # its attempt was lost with its resource
    (_S.FAILED, _T.CORRECTED): _S.STOPPED,  # a stronger proof overrules a verdict
    (_S.FAILED, _T.REPLACE): _S.QUEUED,  # a parked job is released by a person
}
TRANSITIONS |= {(state, _T.FAIL): _S.FAILED for state in LIVE}
TRANSITIONS |= {(state, _T.CANCEL): _S.CANCELED for state in LIVE}


def advance(state: JobState, trigger: Trigger) -> JobState:
    """The state that ``trigger`` leads to. Raises StateError naming both ends' rules."""
    try:
        return TRANSITIONS[state, trigger]
    except KeyError:
        legal = sorted(t.value for s, t in TRANSITIONS if s is state) or ["nothing"]
        raise StateError(
            f"a job that is {state.value} cannot be {trigger.value}; possible: {', '.join(legal)}"
        ) from None


@unique
class RequestStatus(IntEnum):
    """The finer step inside a state: ``jobInformation.requestStatus`` and ``reqNumStatus``.

    The names and bits are the request-status bits that PSNC's broker constants carried on in
    DCworms (``BrokerConstants``); 2**31 and above do not fit xsd:int and are left out.
    """

    TASK_QUEUED = 1
    TASK_RESOURCE = 2
    TASK_RESOURCE_DONE = 4
    TASK_STAGE_IN = 8
    TASK_STAGE_IN_DONE = 16
    TASK_SUBMIT = 32
    TASK_SUBMIT_DONE = 64
    TASK_EXEC = 128
    TASK_EXEC_PENDING = 256
    TASK_EXEC_ACTIVE = 512
    TASK_EXEC_DONE = 1024
    TASK_STAGE_OUT = 2048
    TASK_STAGE_OUT_DONE = 4096
    TASK_DONE = 8192
    TASK_FAILED = 16384
    TASK_CANCEL_DONE = 32768
    TASK_CANCEL_FAILED = 65536
    MIGRATE_QUEUED = 1 << 17
    MIGRATE_EXEC_SUSPEND = 1 << 18
    MIGRATE_EXEC_SUSPEND_DONE = 1 << 19
    MIGRATE_RESOURCE = 1 << 20
    MIGRATE_RESOURCE_DONE = 1 << 21
    MIGRATE_STAGE_IN = 1 << 22
    MIGRATE_STAGE_IN_DONE = 1 << 23
    MIGRATE_SUBMIT = 1 << 24
    MIGRATE_DONE = 1 << 25
    MIGRATE_FAILED = 1 << 26
    MIGRATE_STAGE_OUT = 1 << 27
    MIGRATE_STAGE_OUT_DONE = 1 << 28
    REQUEST_FAILED = 1 << 29
    TASK_CANCEL = 1 << 30


_MOVING = {
    RequestStatus.TASK_QUEUED: (RequestStatus.MIGRATE_QUEUED,),
    RequestStatus.TASK_RESOURCE: (RequestStatus.MIGRATE_RESOURCE,),
    RequestStatus.TASK_RESOURCE_DONE: (RequestStatus.MIGRATE_RESOURCE_DONE,),
    RequestStatus.TASK_STAGE_IN: (RequestStatus.MIGRATE_STAGE_IN,),
    RequestStatus.TASK_STAGE_IN_DONE: (RequestStatus.MIGRATE_STAGE_IN_DONE,),
    RequestStatus.TASK_SUBMIT: (RequestStatus.MIGRATE_SUBMIT,),
    RequestStatus.TASK_SUBMIT_DONE: (RequestStatus.MIGRATE_SUBMIT,),
    RequestStatus.TASK_EXEC_PENDING: (RequestStatus.MIGRATE_SUBMIT,),
    RequestStatus.TASK_EXEC_ACTIVE: (RequestStatus.MIGRATE_DONE, RequestStatus.TASK_EXEC_ACTIVE),
    RequestStatus.TASK_FAILED: (RequestStatus.MIGRATE_FAILED, RequestStatus.TASK_FAILED),
}


def is_moving(status: RequestStatus) -> bool:
    """True while a job leaves one resource for another, or waits checkpointed to go on."""
    first, over = (
        RequestStatus.MIGRATE_QUEUED,
        (
            RequestStatus.MIGRATE_DONE,
            RequestStatus.MIGRATE_FAILED,
        ),
    )
    return first <= status <= RequestStatus.MIGRATE_STAGE_OUT_DONE and status not in over


def steps_to(now: RequestStatus, wanted: RequestStatus) -> tuple[RequestStatus, ...]:
    """The steps to record for ``wanted``: a moving job's have names of their own."""
    return _MOVING.get(wanted, (wanted,)) if is_moving(now) else (wanted,)
