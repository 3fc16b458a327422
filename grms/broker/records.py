"""The broker's records: frozen values, the same in the store, in the engine and in every face.

All times are aware datetimes in UTC. Durations are seconds, memory is KiB where measured (as the
kernel's ``ru_maxrss`` gives it) and MB where a site or a user states it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, unique

from grms.broker.lifecycle import JobState, RequestStatus
from grms.errors import ErrorCode

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls. ``name`` is the distinguished name that jobs are owned by.

    ``account`` is the local account jobs run as ("" = the broker's own).
    """

    name: str
    account: str = ""
    admin: bool = False
    projects: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Job:
    """What the broker knows of a job. ``version`` is the compare-and-set guard of the store.

    ``description`` is the GJD text in force. ``attempt`` is the number of the newest attempt, 0
    before the first. ``due_at`` is when the engine should look at it next; None means that only
    news or a wish moves it. ``tries`` counts transient failures of the present step.
    ``last_event`` is the number of the newest event.
    """

    id: str
    owner: str
    appid: str
    description: str
    submitted_at: datetime
    state: JobState = JobState.QUEUED
    status: RequestStatus = RequestStatus.TASK_QUEUED
    version: int = 1
    account: str = ""
    project: str = ""
    attempt: int = 0
    finished_at: datetime | None = None
    error_code: ErrorCode = ErrorCode.OK
    error: str = ""
    parked: bool = False
    tries: int = 0
    due_at: datetime | None = None
    last_event: int = 0
    persistent: bool = False
    progress: str = ""


@unique
class Phase(Enum):
    """How far an attempt has come; an attempt never goes back."""

    PLACED = "placed"  # a cluster was chosen, nothing is there yet
    STAGED = "staged"  # its files are in its directory
    SUBMITTING = "submitting"  # the intent is durable; the batch system may or may not know it
    SUBMITTED = "submitted"  # the native id is durable
    RUNNING = "running"  # proof of the start
    ENDED = "ended"  # proof of the end
    OVER = "over"  # outputs taken, directory cleaned or kept on purpose
    REVOKED = "revoked"  # given up: its wrapper refuses to start, late news of it is history


#: Phases in which a native job may exist.
ON_RESOURCE = frozenset({Phase.SUBMITTING, Phase.SUBMITTED, Phase.RUNNING})
#: Phases in which an attempt takes up room on its cluster.
LIVE_PHASES = ON_RESOURCE | {Phase.PLACED, Phase.STAGED}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run consumed: seconds of wall and CPU time, the largest resident set in KiB."""

    wall: float = 0.0
    cpu: float = 0.0
    max_rss: int = 0


@dataclass(frozen=True, slots=True)
class Exit:
    """How a run ended: ``code`` of a normal exit, or ``signal``; ``reason`` in words if neither.

    ``limit`` names the limit that ended it ("wall", "cpu", "memory") where that is known.
    ``checkpointed`` is the wrapper's word that the job left a checkpoint to go on from.
    """

    code: int | None = None
    signal: int | None = None
    reason: str = ""
    limit: str = ""
    checkpointed: bool = False

    @property
    def ok(self) -> bool:
        """True when the program ended by itself with 0, and for good."""
        return self.code == 0 and self.signal is None and not (self.limit or self.checkpointed)

    def __str__(self) -> str:
        if self.checkpointed:
            return "checkpointed, to go on from there"
        if self.limit:
            return f"ended by the {self.limit} limit"
        if self.signal is not None:
            return f"killed by signal {self.signal}"
        if self.code is not None:
            return f"exit code {self.code}"
        return self.reason or "no exit code"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One placement of a job. It, not the job, holds the resource, the directory, the native id.

    ``tag`` names it in the batch system and is unique for ever. ``directory`` is absolute, on the
    cluster. ``native_state`` is the batch system's own last word. ``evidence`` says which proof
    the present phase rests on (see ``grms.broker.evidence``). ``token_sha256`` is of the token by
    which the job speaks over HTTP, "" without one; ``heard`` holds the ids of the last messages
    that it sent, for one may come by two ways.
    """

    job_id: str
    number: int
    cluster: str
    tag: str
    directory: str
    description: str
    created_at: datetime
    phase: Phase = Phase.PLACED
    account: str = ""
    host: str = ""
    queue: str = ""
    alternative: int = 0
    native_id: str = ""
    native_state: str = ""
    held: bool = False
    intent_at: datetime | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    missing_since: datetime | None = None
    exit: Exit | None = None
    usage: Usage | None = None
    evidence: str = ""
    token_sha256: str = ""
    heard: tuple[str, ...] = ()


@unique
class EventKind(Enum):
    """What an event tells. STATE and STATUS are what notifications subscribe to."""

    ACCEPTED = "accepted"
    STATE = "state"
    STATUS = "status"
    NOTE = "note"
    EVIDENCE = "evidence"
    WISH = "wish"
    PROGRESS = "progress"
    FILES = "files"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event before the store numbers it."""

    kind: EventKind
    at: datetime
    text: str
    data: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One line of a job's story. ``number`` runs from 1 per job, without gaps.

    ``cursor`` grows over all jobs of the store; streams resume from it.
    """

    job_id: str
    number: int
    cursor: int
    kind: EventKind
    at: datetime
    text: str
    data: Mapping[str, Json]


@unique
class WishKind(Enum):
    """What a user wants of a job."""

    CANCEL = "cancel"
    SUSPEND = "suspend"
    RESUME = "resume"
    MIGRATE = "migrate"


@dataclass(frozen=True, slots=True)
class Wish:
    """A durable wish, beside the state, until it is done or refused (``outcome`` says how).

    ``number`` is given by the store. ``description`` is the new GJD text, if one came along.
    """

    job_id: str
    kind: WishKind
    at: datetime
    by: str
    description: str = ""
    number: int = 0
    done_at: datetime | None = None
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class WishDone:
    """The closing of a wish, written in the same transaction as what it brought about."""

    number: int
    at: datetime
    outcome: str


@dataclass(frozen=True, slots=True)
class Change:
    """One atomic step: applied whole if the stored version is still ``job.version``, else not.

    ``job`` is the record as it shall be, its ``version`` and ``last_event`` as they were read;
    the store raises both. ``attempts`` are inserted or replaced by (job, number). The claim on the
    job is given back with it, unless ``keep_claim`` says that the work goes on.
    """

    job: Job
    attempts: tuple[Attempt, ...] = ()
    events: tuple[NewEvent, ...] = ()
    wishes_done: tuple[WishDone, ...] = ()
    keep_claim: bool = False


@unique
class FileRole(Enum):
    """Which list a registered file belongs to."""

    OUTPUT = "output"
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class FileDir:
    """A file or directory registered while the job lives: ``name`` in the job, ``path`` outside."""

    name: str
    path: str
    logical: bool = False
    directory: bool = False


@dataclass(frozen=True, slots=True)
class ApplicationAccess:
    """Where a checkpointable application listens, and its process id on the execution host."""

    service_location: str
    pid: int


@dataclass(frozen=True, slots=True)
class Notification:
    """A registered listener. ``protocol`` is SOAP, GASS, SOCKET (1.9.6) or PROFILE, SMS, MAIL."""

    id: str
    job_id: str
    owner: str
    event_type: str
    protocol: str
    destination: str
    append: bool = False
    format: str = ""
    users: tuple[str, ...] = ()
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """The network from a cluster to ``hostname`` ("" = to anywhere): KiB/s, ms, KiB/s."""

    hostname: str = ""
    bandwidth: int | None = None
    latency: int | None = None
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class Installed:
    """An application installed on a cluster; ``path`` is its executable there."""

    name: str
    version: str = ""
    path: str = ""
    instance_count: int | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of a cluster; limits that are None do not bind. ``max_wall`` in minutes."""

    name: str
    default: bool = False
    max_wall: int | None = None
    max_cpus: int | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class OwnerLimits:
    """What the owner of a cluster allows. Empty sets do not bind; ``hours`` are (from, to) UTC."""

    users: frozenset[str] = frozenset()
    denied_users: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()
    max_jobs: int | None = None
    max_jobs_per_user: int | None = None
    hours: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster as its administrator describes it: the static facts.

    ``transport`` is ``local``, ``local+sudo`` or ``ssh://[user@]host[:port]``. ``workdir`` is the
    absolute directory on the cluster under which jobs get theirs. ``options`` are the adapter's
    and transport's own settings (paths of commands, MPI launcher, key file ...).
    """

    name: str
    batch: str
    transport: str = "local"
    workdir: str = ""
    host: str = ""
    queues: tuple[Queue, ...] = ()
    osname: str = ""
    ostype: str = ""
    osversion: str = ""
    osrelease: str = ""
    cpus: int | None = None
    cpu_speed: int | None = None
    memory: int | None = None
    disk: int | None = None
    applications: tuple[Installed, ...] = ()
    links: tuple[Link, ...] = ()
    limits: OwnerLimits = OwnerLimits()
    drained: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    declared: bool = False

    @property
    def contact(self) -> str:
        """The job manager contact that findResources answers with: ``host/jobmanager-pbs``."""
        return f"{self.host or self.name}/jobmanager-{self.batch}"


@dataclass(frozen=True, slots=True)
class Measured:
    """A cluster's dynamic facts, each None until measured; ``at`` is when the probe ran."""

    cluster: str
    at: datetime
    free_cpus: int | None = None
    free_memory: int | None = None
    free_disk: int | None = None
    waiting: int | None = None
    running: int | None = None
    total_cpus: int | None = None
    ok: bool = True
    error: str = ""
