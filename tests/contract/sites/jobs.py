"""Jobs on a site, prepared and submitted the way the engine does it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sites.site import Site

from grms.broker.layout import control, tag, work
from grms.broker.ports.batch import Account, Command, CommandResult, NativeState, Submission

#: Seconds until a test gives up; only a broken system or a very busy machine needs them.
PATIENCE = 120.0


def wait_for(probe: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Ask ``probe`` until it answers something true, and return that."""
    deadline = time.monotonic() + patience
    while True:
        if answer := probe():
            return answer
        assert time.monotonic() < deadline, f"waited {patience} s in vain for {what}"
        time.sleep(0.1)


@dataclass
class Job:
    """One attempt of a job on a site."""

    site: Site
    id: str
    submission: Submission
    native_id: str = ""
    spec: dict[str, Any] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        return self.submission.tag

    def control(self, name: str) -> str:
        """A file of the control directory."""
        return f"{self.submission.directory}/{name}"

    def work(self, name: str) -> str:
        """A file of the working directory."""
        return f"{self.submission.workdir}/{name}"

    def read(self, path: str) -> bytes | None:
        return self.site.transport.read([path]).get(path)

    def json(self, name: str) -> dict[str, Any] | None:
        data = self.read(self.control(name))
        return None if data is None else json.loads(data)

    def news(self, what: str) -> list[dict[str, Any]]:
        """The news of this kind that the job left in the inbox."""
        inbox = self.site.transport.sweep(self.site.layout.inbox, limit=100_000)
        names = [name for name in inbox if name.endswith(f"-{self.tag}-{what}.json")]
        return [json.loads(inbox[name]) for name in names]

    def started(self) -> dict[str, Any]:
        """Wait for the proof of the start."""
        return wait_for(lambda: self.json("started.json"), f"the start of {self.native_id}")

    def ended(self) -> dict[str, Any]:
        """Wait for the exit evidence and return its ``exit``."""
        return wait_for(lambda: self.json("exit.json"), f"the end of {self.native_id}")["exit"]

    def output(self, name: str = "out") -> str:
        return (self.read(self.work(name)) or b"").decode("utf-8", "surrogateescape")


def prepare(site: Site, argv: Sequence[str], *, hold: bool = False, **spec: Any) -> Job:
    """Lay out one attempt: directories, specification, script. ``spec`` overrides its keys."""
    job_id = f"job-{uuid.uuid4().hex[:12]}"
    directory = site.layout.attempt(job_id, 1)
    keys: dict[str, Any] = {
        "version": 1,
        "job_id": job_id,
        "attempt": 1,
        "tag": tag(job_id, 1),
        "inbox": site.layout.inbox,
        "tags": site.layout.tags,
        "fence": site.layout.fence(job_id),
        "work": work(directory),
        "argv": list(argv),
        "env": {},
        "stdin": "",
        "stdout": f"{work(directory)}/out",
        "stderr": f"{work(directory)}/err",
        "type": "single",
        "count": 1,
        "launcher": [],
        "limits": {},
        "heartbeat": 5,
        "grace": 3,
    } | spec
    place = control(directory)
    submission = Submission(
        tag=keys["tag"],
        wrapper=(site.python, "-I", "-S", site.program, "run", f"{place}/spec.json"),
        directory=place,
        workdir=work(directory),
        count=keys["count"],
        parallel=keys["type"] != "single",
        queue=site.queue,
        project=site.project,
        hold=hold,
    )
    site.transport.make_directories([place, work(directory)])
    site.transport.write({f"{place}/spec.json": json.dumps(keys).encode()})
    site.transport.write({f"{place}/job.sh": site.adapter.script(submission)}, mode=0o700)
    return Job(site, job_id, submission, spec=keys)


def send(job: Job) -> Job:
    """Submit a prepared job."""
    result = job.site.transport.run(job.site.adapter.submit_command(job.submission))
    job.native_id = job.site.adapter.parse_submit(result)
    return job


def submit(site: Site, argv: Sequence[str], *, hold: bool = False, **spec: Any) -> Job:
    """Prepare a job and submit it."""
    return send(prepare(site, argv, hold=hold, **spec))


def run_python(site: Site, program: str, *arguments: str, **spec: Any) -> Job:
    """Submit a program in Python."""
    return submit(site, [site.python, "-c", program, *arguments], **spec)


def states(site: Site, *ids: str) -> Mapping[str, NativeState]:
    """What one status call says."""
    result = site.transport.run(site.adapter.status_command(ids))
    return {key: value.state for key, value in site.adapter.parse_status(result).items()}


def state(job: Job) -> NativeState | None:
    """What the system says of this job; None when it is absent."""
    return states(job.site, job.native_id).get(job.native_id)


def reaches(job: Job, *wanted: NativeState | None) -> NativeState | None:
    """Wait until the system says one of these (None: it does not know the job any more)."""
    found = []

    def look() -> bool:
        found[:] = [state(job)]
        return found[0] in wanted

    wait_for(look, f"{job.native_id} to be {wanted}")
    return found[0]


def account(job: Job) -> Account:
    """Wait for the accounting record."""
    command = job.site.adapter.account_command([job.native_id])

    def look() -> Account | None:
        return job.site.adapter.parse_account(job.site.transport.run(command)).get(job.native_id)

    return wait_for(look, f"accounting of {job.native_id}")


def found(job: Job) -> tuple[str, ...]:
    """The native ids behind the tag of this job."""
    commands = job.site.adapter.find_commands([job.tag])
    results = job.site.transport.run_many(commands)
    return job.site.adapter.parse_find(results).get(job.tag, ())


def act(verb: str, *jobs: Job) -> None:
    """Carry out a verb (cancel, hold, release, suspend, resume); it must succeed on each job."""
    site, ids = jobs[0].site, [job.native_id for job in jobs]
    command: Command = getattr(site.adapter, f"{verb}_command")(ids)
    result: CommandResult = site.transport.run(command)
    outcomes = site.adapter.parse_outcome(verb, ids, result)
    assert all(outcomes[identity].ok for identity in ids), f"{outcomes} {result}"


def alive(site: Site, pid: int) -> bool:
    """True when a process of this id runs on the site's host (one host, in the test bed)."""
    probe = f"grep -qs '^State:.[^Z]' /proc/{pid}/status"
    return site.transport.run(Command(("sh", "-c", probe))).exit == 0
