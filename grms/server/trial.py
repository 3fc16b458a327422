"""Small real jobs on a site, prepared, submitted and followed as the engine does it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from grms.broker.layout import control, tag, work
from grms.broker.ports.batch import Account, NativeState, NativeStatus, Outcome, Submission
from grms.broker.ports.sites import Site
from grms.broker.records import Attempt
from grms.broker.work import spec, submission
from grms.gjd.model import Direction, Executable, FileRef, JobDescription, JobType, Value

T = TypeVar("T")

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0


class UnmetError(Exception):
    """A site did not do what the broker relies on. ``str`` says what was seen instead."""


def awaited(look: Callable[[], T | None], what: str, patience: float) -> T:
    """Ask ``look``, ever more seldom, until it answers; UnmetError after ``patience`` seconds."""
    deadline, pause = time.monotonic() + patience, _FIRST_PAUSE
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise UnmetError(f"waited {patience:.0f} s in vain for {what}")
        time.sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * 1.3)


@dataclass
class Trial:
    """One submitted job."""

    site: Site
    attempt: Attempt
    submission: Submission
    patience: float
    native_id: str = ""

    def read(self, name: str) -> bytes | None:
        """A file of the control directory, None while it is not there."""
        path = f"{control(self.attempt.directory)}/{name}"
        return self.site.transport.read([path]).get(path)

    def output(self) -> str:
        """What the job has printed."""
        return (self.read("stdout") or b"").decode("utf-8", "backslashreplace")

    def started(self) -> None:
        """Wait for the proof of the start."""
        awaited(lambda: self.read("started.json"), f"the start of {self.native_id}", self.patience)

    def ended(self) -> Mapping[str, Any]:
        """Wait for the exit evidence."""
        what = f"the exit file of {self.native_id}"
        found: dict[str, Any] = json.loads(
            awaited(lambda: self.read("exit.json"), what, self.patience)
        )["exit"]
        return found

    def status(self, native_id: str = "") -> NativeStatus | None:
        """What the batch system says of this job, or of another id; None: it does not know it."""
        wanted = native_id or self.native_id
        adapter = self.site.adapter
        result = self.site.transport.run(adapter.status_command([wanted]))
        return adapter.parse_status(result).get(wanted)

    def reaches(self, *states: NativeState) -> NativeState:
        """Wait until the batch system says one of ``states``."""
        seen: list[str] = []

        def look() -> NativeState | None:
            found = self.status()
            seen.append(found.state.value if found else "absent")
            return found.state if found and found.state in states else None

        wanted = " or ".join(state.value for state in states)
        try:
            return awaited(look, wanted, self.patience)
        except UnmetError as error:
            raise UnmetError(f"{error}; last seen: {seen[-1]}") from None

    def leaves(self) -> None:
        """Wait until the batch system calls the job ended, or does not know it any more."""

        def look() -> bool | None:
            found = self.status()
            over = found is None or found.state in (NativeState.ENDED, NativeState.ENDING)
            return True if over else None

        awaited(look, f"{self.native_id} to leave the queue", self.patience)

    def account(self) -> Account:
        """Wait for the accounting record."""
        adapter = self.site.adapter
        command = adapter.account_command([self.native_id])

        def look() -> Account | None:
            return adapter.parse_account(self.site.transport.run(command)).get(self.native_id)

        return awaited(look, f"accounting of {self.native_id}", self.patience)

    def found(self, name: str = "") -> tuple[str, ...]:
        """The native ids under the job's tag, or under another."""
        wanted = name or self.attempt.tag
        adapter = self.site.adapter
        results = self.site.transport.run_many(list(adapter.find_commands([wanted])))
        return adapter.parse_find(results).get(wanted, ())

    def act(self, verb: str) -> Outcome:
        """Carry out cancel, hold, release, suspend or resume. UnmetError if it is refused."""
        adapter, ids = self.site.adapter, [self.native_id]
        result = self.site.transport.run(getattr(adapter, f"{verb}_command")(ids))
        outcome = adapter.parse_outcome(verb, ids, result).get(self.native_id)
        if outcome is None or not outcome.ok:
            raise UnmetError(f"{verb} was refused: {outcome.message if outcome else 'no answer'}")
        return outcome


class Trials:
    """Submits trials at one site, and cleans up after all of them."""

    def __init__(self, site: Site, *, queue: str = "", patience: float = 300.0) -> None:
        self.site = site
        self.patience = patience
        self._queue = queue
        self._all: list[Trial] = []

    def submit(
        self,
        script: str,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        count: int = 1,
        hold: bool = False,
    ) -> Trial:
        """Submit ``sh -c script sh arguments...``."""
        description = _description(script, arguments, env or {}, count)
        attempt = self._attempt()
        site, place = self.site, control(attempt.directory)
        wanted = replace(submission(description, attempt, site), hold=hold)
        text = json.dumps(spec(description, attempt, site)).encode()
        trial = Trial(site, attempt, wanted, self.patience)
        self._all.append(trial)
        site.transport.make_directories([place, work(attempt.directory)])
        site.transport.write({f"{place}/spec.json": text, f"{place}/job.sh": self._script(wanted)})
        result = site.transport.run(site.adapter.submit_command(wanted))
        trial.native_id = site.adapter.parse_submit(result)
        return trial

    def _script(self, wanted: Submission) -> bytes:
        return self.site.adapter.script(wanted)

    def _attempt(self) -> Attempt:
        job_id = f"conformance-{uuid.uuid4().hex[:12]}"
        return Attempt(
            job_id=job_id,
            number=1,
            cluster=self.site.cluster.name,
            tag=tag(job_id, 1),
            directory=self.site.layout.attempt(job_id, 1),
            description="",
            created_at=datetime.now(UTC),
            account=self.site.account,
            queue=self._queue,
        )

    def clean_up(self) -> None:
        """End what still runs; remove directories, tags and messages. Raises SiteError."""
        site = self.site
        ids = [trial.native_id for trial in self._all if trial.native_id and not trial.read(_EXIT)]
        if ids:
            site.transport.run(site.adapter.cancel_command(ids))
        for trial in self._all:
            if trial.native_id in ids:
                trial.leaves()
        tags = {trial.attempt.tag for trial in self._all}
        inbox = site.transport.sweep(site.layout.inbox, limit=_MESSAGES)
        mail = [name for name in inbox if any(f"-{tag}-" in name for tag in tags)]
        site.transport.remove(
            [site.layout.job(trial.attempt.job_id) for trial in self._all]
            + [f"{site.layout.tags}/{tag}" for tag in tags]
            + [f"{site.layout.inbox}/{name}" for name in mail]
        )


_EXIT = "exit.json"
_MESSAGES = 100_000


def _description(
    script: str, arguments: Sequence[str], env: Mapping[str, str], count: int
) -> JobDescription:
    words = ("-c", script, "sh", *arguments)
    executable = Executable(
        type=JobType.SINGLE if count == 1 else JobType.MULTIPLE,
        file=FileRef("sh", Direction.IN, "file:////bin/sh"),
        count=count,
        arguments=tuple(Value(word) for word in words),
        environment=tuple(env.items()),
    )
    return JobDescription("conformance", executable)
