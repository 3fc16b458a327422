"""``Client``: a method per verb of the broker, for programs.

All methods raise GrmsError: RefusedError (the broker said no; ``code`` says why),
UnreachableError (no answer), BadAnswerError (not a broker), AccessError (it does not know the
caller), RequestError or ConfigError (nothing was sent).
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import quote

from grms.client import translate as t
from grms.client.errors import BadAnswerError, UnreachableError
from grms.client.model import (
    ApplicationAccess,
    Event,
    FileDir,
    HistoryEntry,
    ItemResult,
    JobInfo,
    Verdict,
)
from grms.client.model import Listener as ListenerInfo
from grms.client.resources import read_events, read_verdicts
from grms.client.soap import Part, Value, number, string, word
from grms.client.wire import Wire

_log = logging.getLogger(__name__)

Ids = tuple[str, ...]
Parts = tuple[tuple[str, Value], ...]


class Client:
    """Speaks to one broker; a context manager that gives back its sockets.

    ``server`` is ``http://host:port`` or the whole URL of the service, ``token`` the caller's
    credential, ``timeout`` the seconds to wait for one answer, ``tries`` how often a call that is
    safe to repeat is tried. ``warn`` is called with the text when the broker accepted something but
    carried it out only in part (code STORED_ONLY); by default that is logged.
    """

    def __init__(
        self,
        server: str,
        *,
        token: str = "",
        timeout: float = 60.0,
        tries: int = 5,
        sleep: Callable[[float], None] = time.sleep,
        warn: Callable[[str], None] = _log.warning,
    ) -> None:
        self._wire = Wire(server, token=token, timeout=timeout, tries=tries, sleep=sleep, warn=warn)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back the sockets."""
        self._wire.close()

    # jobs

    def submit(self, description: str, *, key: str = "") -> str:
        """Submit a job; its id.

        One ``key`` means one job: whoever cannot know whether a submission arrived repeats it with
        the same key. By default each call makes its own and repeats with it by itself.
        """
        key = key or str(uuid.uuid4())
        try:
            answer = self._ask("submitJob", ("jobDefinition", string(description)), key=key)
        except UnreachableError as error:
            if not error.sent:
                raise
            text = f"{error.message}; the job may have arrived: to be sure, repeat with key {key}"
            raise UnreachableError(text, sent=True) from error
        return _required(answer, "jobId")

    def test(self, description: str) -> None:
        """Check a description without submitting it; RefusedError lists its mistakes."""
        # The contract writes this part with a capital J.
        self._ask("testJobDescription", ("JobDescription", string(description)))

    def cancel(self, job_id: str) -> None:
        """Ask for the end of a job."""
        self._ask("cancelJob", _job(job_id), repeatable=False)

    def suspend(self, job_id: str, description: str | None = None) -> None:
        """Ask to suspend a job, with a new description if one is given."""
        self._wish("suspendJob", job_id, description)

    def resume(self, job_id: str, description: str | None = None) -> None:
        """Ask to resume a suspended job, with a new description if one is given."""
        self._wish("resumeJob", job_id, description)

    def migrate(self, job_id: str, description: str | None = None) -> None:
        """Ask to move a job to a better resource, with a new description if one is given."""
        self._wish("migrateJob", job_id, description)

    # lists

    def list(self, state: str | None = None) -> Ids:
        """Ids of the caller's jobs, those in ``state`` if one is given."""
        return _strings(self._ask("getJobsList", *_state(state)), "jobsList")

    def list_project(self, project: str, state: str | None = None) -> Ids:
        """Ids of a project's jobs."""
        parts = ("project", string(project)), *_state(state)
        return _strings(self._ask("getProjectJobsList", *parts), "jobsList")

    def list_all(self, state: str) -> Ids:
        """Ids of everybody's jobs in ``state``."""
        return _strings(self._ask("getAllJobsList", *_state(state)), "jobsList")

    # information

    def info(self, job_id: str) -> JobInfo:
        """What the broker knows of a job now."""
        answer = self._ask("getJobInfo", _job(job_id))
        return t.job_info(job_id, _present(answer, "jobInfo"))

    def history(self, job_id: str) -> tuple[HistoryEntry, ...]:
        """The runs of a job, oldest first."""
        answer = self._ask("getJobHistory", _job(job_id))
        return tuple(t.history_entry(item) for item in _items(answer, "history"))

    def resources(self, description: str) -> Ids:
        """Job manager contacts of the resources that fit, best first."""
        answer = self._ask("findResources", ("resourceDefinition", string(description)))
        return _strings(answer, "resources")

    def explain(self, description: str) -> tuple[Verdict, ...]:
        """What each cluster says to a description: best first, then the others, nearest first."""
        return read_verdicts(self._wire.fetch("/resources/explain", description))

    def explain_job(self, job_id: str) -> tuple[Verdict, ...]:
        """The same for a job: why it waits, or where it would go now."""
        return read_verdicts(self._wire.fetch(f"/jobs/{quote(job_id, safe='')}/explain"))

    def events(self, job_id: str, *, after: int = 0) -> tuple[Event, ...]:
        """The whole story of a job, proofs included, after event number ``after``."""
        path = f"/jobs/{quote(job_id, safe='')}/events?after={after}"
        return read_events(self._wire.fetch(path))

    def description(self, *, full: bool = False) -> str:
        """What the service says about itself, short or in full."""
        kind = word("DescriptionType", "FULL" if full else "SHORT")
        answer = self._wire.call("getServiceDescription", [("type", kind)], plain=True)
        return answer.string("getServiceDescriptionReturn")

    # checkpoint and files

    def register(self, job_id: str, service_location: str, pid: int) -> None:
        """Tell where the application listens for checkpoint calls; a second call replaces."""
        parts = ("service_location", string(service_location)), ("pid", number(pid))
        self._ask("registerApplicationAccess", _job(job_id), *parts)

    def unregister(self, job_id: str) -> None:
        """Take back what ``register`` told."""
        self._ask("unregisterApplicationAccess", _job(job_id), repeatable=False)

    def application(self, job_id: str) -> ApplicationAccess:
        """Where the application of a job listens."""
        answer = self._ask("getApplicationAccess", _job(job_id))
        return ApplicationAccess(answer.string("service_location"), answer.number("pid"))

    def add_output(self, job_id: str, items: Sequence[FileDir]) -> tuple[ItemResult, ...]:
        """Add outputs to a living job; one result per item."""
        return self._change("addOutputFileDirs", job_id, items)

    def get_output(self, job_id: str) -> tuple[FileDir, ...]:
        """The outputs registered for a job."""
        answer = self._ask("getOutputFileDirs", _job(job_id))
        return tuple(t.file_dir(item) for item in _items(answer, "items"))

    def del_output(self, job_id: str, items: Sequence[FileDir]) -> tuple[ItemResult, ...]:
        """Remove outputs from a living job; one result per item."""
        return self._change("deleteOutputFileDirs", job_id, items)

    def add_checkpoint(self, job_id: str, items: Sequence[FileDir]) -> tuple[ItemResult, ...]:
        """Add checkpoint files to a living job; one result per item."""
        return self._change("addCheckpointFileDirs", job_id, items)

    def get_checkpoint(self, job_id: str) -> tuple[FileDir, ...]:
        """The checkpoint files registered for a job."""
        answer = self._ask("getCheckpointFileDirs", _job(job_id))
        return tuple(t.file_dir(item) for item in _items(answer, "items"))

    def del_checkpoint(self, job_id: str, items: Sequence[FileDir]) -> tuple[ItemResult, ...]:
        """Remove checkpoint files from a living job; one result per item."""
        return self._change("deleteCheckpointFileDirs", job_id, items)

    # notification

    def add_listener(self, job_id: str, listener: ListenerInfo, *, client: str = "") -> str:
        """Register a listener for a job; the id of the registration.

        ``client`` is the name of the registering program, known to the 1.9.0 form alone.
        """
        parts = t.registration(job_id, listener, client)
        answer = self._ask("registerNotification", *parts, repeatable=False)
        return _required(answer, "notificationId")

    def listeners(self, job_id: str) -> Ids:
        """Ids of the listeners of a job."""
        return _strings(self._ask("getNotificationsList", _job(job_id)), "notificationIds")

    def listener(self, job_id: str, notification_id: str) -> ListenerInfo:
        """One listener of a job."""
        which = ("notificationId", string(notification_id))
        answer = self._ask("getNotificationInformation", _job(job_id), which)
        return t.listener(_present(answer, "notificationRequest"))

    def del_listener(self, notification_id: str, *, job_id: str = "") -> None:
        """Remove a listener; without ``job_id`` in the 1.9.0 form, which needs none."""
        job: Parts = (_job(job_id),) if job_id else ()
        which = ("notificationId", string(notification_id))
        self._ask("unregisterNotification", *job, which, repeatable=False)

    def _ask(
        self, operation: str, *parts: tuple[str, Value], repeatable: bool = True, key: str = ""
    ) -> Part:
        return self._wire.call(operation, parts, repeatable=repeatable, key=key)

    def _wish(self, operation: str, job_id: str, description: str | None) -> None:
        new: Parts = () if description is None else (("jobDefinition", string(description)),)
        self._ask(operation, _job(job_id), *new, repeatable=False)

    def _change(
        self, operation: str, job_id: str, items: Sequence[FileDir]
    ) -> tuple[ItemResult, ...]:
        parts = _job(job_id), ("items", t.file_dirs(items))
        answer = self._wire.call(operation, parts, repeatable=False, itemised=True)
        return t.item_results(items, _items(answer, "result"), answer.number("errors"))


def _job(job_id: str) -> tuple[str, Value]:
    return "jobId", string(job_id)


def _state(state: str | None) -> Parts:
    return (("status", word("JobStatusType", state)),) if state else ()


def _present(answer: Part, name: str) -> Part:
    part = answer.get(name)
    if part is None:
        raise BadAnswerError(f"the broker reported success, but its answer holds no {name}")
    return part


def _required(answer: Part, name: str) -> str:
    text = _present(answer, name).text.strip()
    if not text:
        raise BadAnswerError(f"the broker reported success, but its answer holds an empty {name}")
    return text


def _items(answer: Part, name: str) -> Sequence[Part]:
    part = answer.get(name)
    return part.children() if part else ()


def _strings(answer: Part, name: str) -> Ids:
    return tuple(item.text for item in _items(answer, name))
