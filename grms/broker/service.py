"""One method for each verb of the product: what SOAP, REST and the tests call.

Every verb asks ``access`` first, answers from the store alone, and returns at once: what a user
wants of a live job is written down as a wish, which the engine carries out.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Sequence

from grms import __version__
from grms.broker import access
from grms.broker.draft import Draft
from grms.broker.hearing import Ears
from grms.broker.lifecycle import JobState, RequestStatus, Trigger
from grms.broker.outlook import Outlook
from grms.broker.policies import Balanced
from grms.broker.ports.clock import Clock
from grms.broker.ports.staging import Stager
from grms.broker.ports.store import Acceptance, JobQuery, Store
from grms.broker.ranking import Policy
from grms.broker.records import (
    EventKind,
    Job,
    JobEvent,
    NewEvent,
    Phase,
    Principal,
    Wish,
    WishKind,
)
from grms.broker.registrations import Registrations
from grms.broker.verdicts import Verdict
from grms.broker.views import AttemptInfo, JobInfo
from grms.broker.work import transfers_in, transfers_out
from grms.errors import (
    ConflictError,
    DescriptionError,
    ErrorCode,
    GrmsError,
    Mistake,
    RequestError,
    StagingError,
    StateError,
)
from grms.gjd.model import JobDescription
from grms.gjd.parse import parse

_ID_TRIES = 20
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


class Service(Registrations):
    """The verbs. ``wake`` tells the engine that there is something to do; it must not block."""

    delivers_notifications = False

    def __init__(
        self,
        store: Store,
        stager: Stager,
        clock: Clock,
        wake: Callable[[], None],
        policy: Policy | None = None,
    ) -> None:
        self._store = store
        self._stager = stager
        self._clock = clock
        self._wake = wake
        self._outlook = Outlook(store, clock, policy or Balanced())
        #: What jobs say themselves, each by its own token: no verb of a principal.
        self.ears = Ears(store, stager, clock)

    # -- jobs ---------------------------------------------------------------------------------

    def submit(self, caller: Principal, text: str, *, key: str = "") -> Acceptance:
        """Accept a job; when this returns, it is on disk.

        The same ``key`` of the same caller gives the same job again, with the same text; with
        another text it raises RequestError(KEY_REUSED).
        """
        access.demand(caller, "submit")
        if key and not _KEY.fullmatch(key):
            raise RequestError(
                "an idempotency key is 1 to 200 printable ASCII characters without blanks"
            )
        description = self.test(caller, text)
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        accepted = self._accept(caller, description, text, key, digest)
        self._wake()
        return accepted

    def _accept(
        self, caller: Principal, description: JobDescription, text: str, key: str, digest: str
    ) -> Acceptance:
        now = self._clock.now()
        event = NewEvent(EventKind.ACCEPTED, now, f"accepted from {caller.name}", {"to": "QUEUED"})
        for _ in range(_ID_TRIES):
            job = Job(
                id=job_id(
                    int(now.timestamp() * 1000), description.appid, secrets.randbelow(10_000)
                ),
                owner=caller.name,
                account=caller.account,
                appid=description.appid,
                project=description.project or "",
                description=text,
                persistent=description.persistent,
                submitted_at=now,
                due_at=now,
            )
            try:
                return self._store.accept(job, [event], key=key, digest=digest)
            except ConflictError:
                continue
        raise GrmsError("no free job id was found; submit again", transient=True)

    def test(self, caller: Principal, text: str) -> JobDescription:
        """Check a description without submitting it. Raises DescriptionError with all mistakes."""
        access.demand(caller, "test")
        description = parse(text)
        mistakes = list(self._unreachable(description))
        if mistakes:
            raise DescriptionError(mistakes)
        return description

    def _unreachable(self, description: JobDescription) -> Sequence[Mistake]:
        """URLs that can never be moved, found before anything is accepted."""
        found = []
        plans = [(item.url, False) for item in transfers_in(description, "")]
        plans += [(item.url, True) for item in transfers_out(description, "")]
        for url, writing in plans:
            try:
                self._stager.check(url, writing=writing)
            except StagingError as error:
                found.append(Mistake(0, f"url {url}", error.message, code=error.code))
        return found

    def cancel(self, caller: Principal, job_id: str) -> Wish:
        """Wish the job's end; repeated until there is proof."""
        return self._wish(caller, job_id, WishKind.CANCEL)

    def suspend(self, caller: Principal, job_id: str, text: str = "") -> Wish:
        """Wish the job held."""
        return self._wish(caller, job_id, WishKind.SUSPEND, text)

    def resume(self, caller: Principal, job_id: str, text: str = "") -> Wish:
        """Wish a suspended job to go on."""
        return self._wish(caller, job_id, WishKind.RESUME, text)

    def migrate(self, caller: Principal, job_id: str, text: str = "") -> Wish:
        """Wish the job moved to where it is better off."""
        return self._wish(caller, job_id, WishKind.MIGRATE, text)

    def _wish(self, caller: Principal, job_id: str, kind: WishKind, text: str = "") -> Wish:
        job = self._job(caller, kind.value, job_id)
        if text:
            self.test(caller, text)
        self._allow(job, kind)
        now = self._clock.now()
        wish = Wish(job.id, kind, now, caller.name, text)
        event = NewEvent(
            EventKind.WISH, now, f"{caller.name} wishes: {kind.value}", {"wish": kind.value}
        )
        wish = self._store.wish(wish, event)
        self._wake()
        return wish

    def _allow(self, job: Job, kind: WishKind) -> None:
        if job.state.is_end:
            raise StateError(
                f"job {job.id} is {job.state.value}: it can no longer be {_DONE[kind]}"
            )
        open_kinds = {wish.kind for wish in self._store.wishes([job.id])}
        if WishKind.CANCEL in open_kinds and kind is not WishKind.CANCEL:
            raise StateError(f"job {job.id} is being canceled: it cannot be {_DONE[kind]}")
        suspended = job.state is JobState.SUSPENDED
        if kind is WishKind.RESUME and not suspended and WishKind.SUSPEND not in open_kinds:
            raise StateError(f"job {job.id} is {job.state.value}: only a suspended job is resumed")
        if kind is WishKind.SUSPEND and suspended:
            raise StateError(f"job {job.id} is suspended already")
        if kind is not WishKind.CANCEL and job.state in (JobState.STOPPED, JobState.POSTPROCESSING):
            raise StateError(
                f"job {job.id} is {job.state.value}: too late, it cannot be {_DONE[kind]}"
            )

    def release(self, caller: Principal, job_id: str) -> Job:
        """Let a parked job try again; a program that has ended is not run a second time.

        One that was parked for ending as checkpointed again and again goes on from its checkpoint.
        """
        job = self._job(caller, "release", job_id)
        if not job.parked:
            raise StateError(f"job {job.id} is not parked")
        draft = Draft(job, self._clock.now()).clear_error()
        attempts, text = self._store.attempts(job.id), f"released by {caller.name}"
        ended = attempts[-1].exit if attempts else None
        if job.error_code is ErrorCode.PARKED and ended is not None and ended.checkpointed:
            draft.go(Trigger.REPLACE, RequestStatus.MIGRATE_QUEUED, text).due()
        elif attempts and attempts[-1].phase is Phase.ENDED:  # it is not run a second time
            draft.go(Trigger.CORRECTED, RequestStatus.TASK_EXEC_DONE, text).due()
        else:
            draft.go(Trigger.REPLACE, RequestStatus.TASK_QUEUED, text).due()
        applied = self._store.apply([draft.change()])[0]
        if applied is None:
            raise ConflictError(f"job {job.id} changed meanwhile; try again")
        self._wake()
        return applied

    # -- lists --------------------------------------------------------------------------------

    def list(self, caller: Principal, state: JobState | None = None) -> Sequence[str]:
        """The caller's job ids, newest first."""
        access.demand(caller, "list")
        return self._store.job_ids(JobQuery(owner=caller.name, states=_only(state)))

    def list_project(
        self, caller: Principal, project: str, state: JobState | None = None
    ) -> Sequence[str]:
        """The job ids of a project: all for its members and administrators, else the caller's."""
        access.demand(caller, "list_project")
        member = caller.admin or project in caller.projects
        owner = None if member else caller.name
        return self._store.job_ids(JobQuery(owner=owner, project=project, states=_only(state)))

    def list_all(self, caller: Principal, state: JobState | None) -> Sequence[str]:
        """The job ids of everybody."""
        access.demand(caller, "list_all")
        return self._store.job_ids(JobQuery(states=_only(state)))

    # -- information --------------------------------------------------------------------------

    def info(self, caller: Principal, job_id: str) -> JobInfo:
        """The job with its newest history entry."""
        job = self._job(caller, "info", job_id)
        entries = self._entries(job.id)
        return JobInfo(job, entries[-1] if entries else None, len(entries))

    def history(self, caller: Principal, job_id: str) -> Sequence[AttemptInfo]:
        """One entry for each placement, oldest first."""
        return self._entries(self._job(caller, "history", job_id).id)

    def events(self, caller: Principal, job_id: str, after: int = 0) -> Sequence[JobEvent]:
        """The job's whole story, proofs included, after event number ``after``."""
        return self._store.events(self._job(caller, "events", job_id).id, after=after)

    def find_resources(self, caller: Principal, text: str) -> Sequence[str]:
        """Job manager contacts of the clusters that fit, best first."""
        access.demand(caller, "find_resources")
        fitting = [verdict.contact for verdict in self.explain(caller, text) if verdict.fits]
        return list(dict.fromkeys(fitting))

    def explain(self, caller: Principal, text: str) -> Sequence[Verdict]:
        """What each cluster says to a description: the fitting ones, best first, then the others,
        nearest first, each with every requirement that refuses.
        """
        access.demand(caller, "explain")
        return self._outlook.verdicts(parse(text), caller.name)

    def explain_job(self, caller: Principal, job_id: str) -> Sequence[Verdict]:
        """The same for a job and its owner: why it waits, or where it would go now."""
        job = self._job(caller, "explain_job", job_id)
        return self._outlook.verdicts(parse(job.description), job.owner)

    def describe(self, full: bool) -> str:
        """What this service is, in one line or in full."""
        short = f"GRMS {__version__}, grid resource broker, interface 1.9.6"
        if not full:
            return short
        clusters = ", ".join(sorted(c.contact for c in self._store.clusters())) or "none"
        return (
            f"{short}. Takes jobs described in GJD (grmsjob 1.9.6 and 1.9.0), places them on "
            f"clusters, moves their files and follows them to their end. Clusters: {clusters}."
        )

    # -- inside -------------------------------------------------------------------------------

    def _entries(self, job_id: str) -> Sequence[AttemptInfo]:
        found = self._store.access(job_id)
        location = found.service_location if found else ""
        attempts = self._store.attempts(job_id)
        newest = attempts[-1].number if attempts else 0
        return [AttemptInfo(a, location if a.number == newest else "") for a in attempts]


_DONE = {
    WishKind.CANCEL: "canceled",
    WishKind.SUSPEND: "suspended",
    WishKind.RESUME: "resumed",
    WishKind.MIGRATE: "migrated",
}


def job_id(milliseconds: int, appid: str, number: int) -> str:
    """``<epoch ms>_<appid>_<number>``, as the only ids of the family on record look (QCG).

    Blanks and ``=`` would break the shell pipelines that read ids, ``/`` the job's directory.
    """
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", appid)[:40].strip("._") or "job"
    return f"{milliseconds}_{name}_{number:04d}"


def _only(state: JobState | None) -> tuple[JobState, ...]:
    return () if state is None else (state,)
