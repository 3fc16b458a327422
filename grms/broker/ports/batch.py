"""The port of batch systems: pure pairs of a command and the parse of its result.

An adapter never runs anything: ``x_command(...) -> Command``, then the transport runs it, then
``parse_x(result) -> value``. Absence is not success: a job that is missing from an answer is
simply not in the returned mapping.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, unique
from typing import Protocol, runtime_checkable

from grms.broker.records import Cluster, Exit, Usage
from grms.errors import SiteError


@dataclass(frozen=True, slots=True)
class Kept:
    """A process that answers one line after another, and the line that asks for this command.

    What it answers in one line is what the command itself would print. Ending it loses nothing.
    """

    argv: tuple[str, ...]
    line: bytes


@dataclass(frozen=True, slots=True)
class Command:
    """What to run on the cluster: an argument list, never a shell string.

    ``timeout`` in seconds. ``env`` is added to the account's own environment. A transport that can
    keep processes may ask ``kept`` instead, which saves the start of an interpreter.
    """

    argv: tuple[str, ...]
    stdin: bytes = b""
    timeout: float = 60.0
    cwd: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    kept: Kept | None = None


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended. ``exit`` is negative for a signal; ``timed_out`` means it was killed.

    A command that timed out may have done its work: only the tag tells.
    """

    exit: int
    stdout: bytes = b""
    stderr: bytes = b""
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class Submission:
    """What an adapter needs to submit one attempt.

    ``wrapper`` is the argument list that runs the job's wrapper on the execution host; the job's
    own arguments and environment are in the wrapper's specification, so no value of the user's
    goes through a command line. ``directory`` is the control directory, where the script lies and
    the batch system's own output goes. ``wall`` and ``cpu`` in seconds, ``memory`` in MB for the
    whole job. ``count`` is the number of processes (slots).
    """

    tag: str
    wrapper: tuple[str, ...]
    directory: str
    workdir: str
    count: int = 1
    parallel: bool = False
    queue: str = ""
    project: str = ""
    wall: int | None = None
    cpu: int | None = None
    memory: int | None = None
    hold: bool = False


@unique
class NativeState(Enum):
    """What a batch system says of a job, in the broker's words."""

    WAITING = "waiting"
    HELD = "held"
    RUNNING = "running"
    SUSPENDED = "suspended"
    ENDING = "ending"  # over, but accounting is not there yet
    ENDED = "ended"  # the system itself calls it finished, whatever the outcome
    FAULTY = "faulty"  # held or in error by the system: will not go on by itself
    UNKNOWN = "unknown"  # a word not in the adapter's table; disturbs nobody


@dataclass(frozen=True, slots=True)
class NativeStatus:
    """The state of one native job. ``word`` is the system's own word, ``reason`` its explanation.

    ``exit`` is given only where the queue answer itself proves the end.
    """

    native_id: str
    state: NativeState
    word: str = ""
    reason: str = ""
    tag: str = ""
    exit: Exit | None = None
    usage: Usage | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    submitted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """The accounting record of a finished job: the system's own last word."""

    native_id: str
    exit: Exit
    tag: str = ""
    usage: Usage | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    by_user: bool = False  # removed with the system's own tool (qdel, scancel ...)
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a verb on one native job: done, or why not.

    ``gone`` says that the system does not know the job (any more).
    """

    ok: bool
    message: str = ""
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Traits:
    """What the broker must know of a system's ways. Delays in seconds.

    ``accounting_delay``: how long after a job left the queue its accounting may still be missing.
    ``can_suspend``: suspend and resume are the system's own and need no operator.
    ``finds_finished``: the tag can be looked up after the job left the queue.
    ``absence_delay``: how long a job must be missing everywhere, in answers that are otherwise
    sound, before it counts as lost; None leaves that to the site's settings.
    ``absence_is_death``: a job that is absent from a sound answer has no living process any more.
    ``dies_with_host``: no job outlives a crash of the cluster's host, so what only its start needs
    need not either.
    """

    accounting_delay: float = 60.0
    absence_delay: float | None = None
    can_suspend: bool = True
    finds_finished: bool = True
    state_manual: str = ""
    absence_is_death: bool = False
    dies_with_host: bool = False


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """A queue as a probe found it. ``max_wall`` in minutes."""

    name: str
    default: bool = False
    max_wall: int | None = None
    max_cpus: int | None = None


@dataclass(frozen=True, slots=True)
class ProbeFacts:
    """What a probe of the batch system found; None where it does not tell. Memory in MB."""

    version: str = ""
    total_cpus: int | None = None
    free_cpus: int | None = None
    memory: int | None = None
    free_memory: int | None = None
    waiting: int | None = None
    running: int | None = None
    queues: tuple[QueueFacts, ...] = ()


class BatchAdapter(Protocol):
    """A batch system. Built by ``factory(cluster)``; registered as entry point ``grms.adapters``.

    Every ``parse_*`` raises SiteError where the answer as a whole says nothing (the daemon is
    down, the output is rubbish, the command timed out): then nothing is known, and nothing
    changes. ``parse_submit`` raises SiteError(transient=True) when the job may or may not have
    been accepted or when trying again may help, and with ``transient=False`` when the system
    refused the request for good; the message is the system's reason, fit for the job's owner.
    """

    name: str
    traits: Traits

    def script(self, submission: Submission) -> bytes:
        """The job script; the transport writes it to ``submission.directory/job.sh``."""
        ...

    def submit_command(self, submission: Submission) -> Command: ...
    def parse_submit(self, result: CommandResult) -> str: ...

    def status_command(self, native_ids: Sequence[str]) -> Command: ...
    def parse_status(self, result: CommandResult) -> Mapping[str, NativeStatus]: ...

    def account_command(self, native_ids: Sequence[str]) -> Command: ...
    def parse_account(self, result: CommandResult) -> Mapping[str, Account]: ...

    def find_commands(self, tags: Sequence[str]) -> Sequence[Command]:
        """Commands that look tags up in the queue and in the history."""
        ...

    def parse_find(self, results: Sequence[CommandResult]) -> Mapping[str, tuple[str, ...]]:
        """tag -> native ids (several if a submission was doubled); absent tags are absent."""
        ...

    def cancel_command(self, native_ids: Sequence[str]) -> Command: ...
    def hold_command(self, native_ids: Sequence[str]) -> Command: ...
    def release_command(self, native_ids: Sequence[str]) -> Command: ...
    def suspend_command(self, native_ids: Sequence[str]) -> Command: ...
    def resume_command(self, native_ids: Sequence[str]) -> Command: ...

    def parse_outcome(
        self, verb: str, native_ids: Sequence[str], result: CommandResult
    ) -> Mapping[str, Outcome]:
        """The outcomes of cancel, hold, release, suspend or resume, one for each id."""
        ...

    def probe_commands(self) -> Sequence[Command]: ...
    def parse_probe(self, results: Sequence[CommandResult]) -> ProbeFacts: ...


@runtime_checkable
class SubmitsTogether(Protocol):
    """An adapter that hands several submissions to its system in one command."""

    together: int

    def submit_together_command(self, submissions: Sequence[Submission]) -> Command:
        """At most ``together`` submissions."""
        ...

    def parse_together(
        self, submissions: Sequence[Submission], result: CommandResult
    ) -> Sequence[str | SiteError]:
        """For each submission what ``parse_submit`` would return or raise."""
        ...


class AdapterFactory(Protocol):
    """What an entry point of group ``grms.adapters`` names."""

    def __call__(self, cluster: Cluster) -> BatchAdapter: ...
