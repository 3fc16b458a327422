"""What the broker tells, as immutable values; the names are those of the SOAP contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

#: The ten states, in the order of a job's life.
STATES = (
    "QUEUED",
    "PREPROCESSING",
    "PENDING",
    "RUNNING",
    "STOPPED",
    "POSTPROCESSING",
    "FINISHED",
    "SUSPENDED",
    "FAILED",
    "CANCELED",
)

#: The states that a job does not leave.
ENDS = frozenset({"FINISHED", "FAILED", "CANCELED"})


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One run of a job; times are aware, None where that has not happened (yet)."""

    host_name: str
    start_time: datetime | None
    local_submission_time: datetime | None
    local_start_time: datetime | None
    local_finish_time: datetime | None
    job_description: str
    application_access: str


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A job as the broker sees it now.

    ``request_status`` and ``req_num_status`` are the finer step inside the state.
    ``last_history`` is None before the first run, ``history_length`` counts the runs.
    """

    job_id: str
    state: str
    project: str
    user_dn: str
    submission_time: datetime | None
    finish_time: datetime | None
    request_status: str
    req_num_status: int
    error_description: str
    last_history: HistoryEntry | None
    history_length: int

    @property
    def ended(self) -> bool:
        """True for FINISHED, FAILED and CANCELED."""
        return self.state in ENDS


@dataclass(frozen=True, slots=True)
class Refusal:
    """One requirement that a cluster does not meet; ``text`` says all of it in words.

    ``has`` is "" where nobody told. ``lasting`` is False where waiting can help.
    """

    requirement: str
    wanted: str
    has: str
    change: str
    lasting: bool
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a cluster says to a job; it fits where nothing refuses.

    ``alternative`` counts the ``resource`` elements from 0: the one that fits, or the nearest.
    """

    cluster: str
    contact: str
    fits: bool
    may_fit_later: bool
    alternative: int
    queue: str
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a job's story; ``number`` counts from 1, ``data`` holds the figures."""

    number: int
    kind: str
    at: datetime | None
    text: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Proof:
    """What a job's state rests on: ``source`` is wrapper, accounting, queue or absence."""

    source: str
    at: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class FileDir:
    """A file or directory of a job: ``name`` in its working directory, ``path`` outside.

    ``path`` is a URL (PHYSICAL), or an id of the data management (LOGICAL).
    """

    name: str
    path: str
    logical: bool = False
    directory: bool = False

    @property
    def urltype(self) -> str:
        """The word of the contract: PHYSICAL or LOGICAL."""
        return "LOGICAL" if self.logical else "PHYSICAL"

    @property
    def pathtype(self) -> str:
        """The word of the contract: FILE or DIRECTORY."""
        return "DIRECTORY" if self.directory else "FILE"


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one item of a list; ``error_code`` 0 is success."""

    item: FileDir
    error_code: int
    error_message: str


@dataclass(frozen=True, slots=True)
class ApplicationAccess:
    """Where a checkpointable application listens, and its process id there."""

    service_location: str
    pid: int


@dataclass(frozen=True, slots=True)
class Listener:
    """Whom the broker tells about a job, and how.

    ``event_type`` is STATUS (its states) or REQUEST (the finer steps). ``protocol`` is SOAP, GASS
    or SOCKET with a ``destination``; or PROFILE, SMS or MAIL, where ``users`` are told through the
    service at ``destination`` (the 1.9.0 form).
    """

    event_type: str
    protocol: str
    destination: str
    append: bool = False
    format: str = ""
    users: tuple[str, ...] = ()


#: Protocols of the 1.9.6 and of the 1.9.0 contract.
PROTOCOLS = ("SOAP", "GASS", "SOCKET")
FORWARDS = ("PROFILE", "SMS", "MAIL")
