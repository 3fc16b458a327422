"""A service that answers from memory and remembers what it was asked."""

from datetime import UTC, datetime

import pytest

from grms.api.handlers import Call
from grms.broker.lifecycle import JobState, RequestStatus
from grms.broker.ports.store import Acceptance
from grms.broker.records import ApplicationAccess, Attempt, Job, Notification, Principal
from grms.broker.views import AttemptInfo, JobInfo
from grms.errors import ErrorCode, RequestError

NOON = datetime(2026, 3, 4, 12, 0, 0, 123456, UTC)


class FakeService:
    """Knows one job, ``j1``; ``asked`` holds the verbs with their arguments but the caller."""

    delivers_notifications = False

    def __init__(self):
        self.asked = []
        self.job = Job("j1", "/CN=Ann", "demo", "<grmsjob/>", NOON)
        self.last = None
        self.kept = []

    def __getattr__(self, verb):
        if verb.startswith(("_", "do_")):
            raise AttributeError(verb)

        def ask(caller, *args, **kwargs):
            self.asked.append((verb, *args, *kwargs.items()))
            if args and args[0] == "nope":
                raise RequestError("there is no job nope", code=ErrorCode.UNKNOWN_JOB)
            if args and args[0] == "boom":
                raise ZeroDivisionError("secret")
            return getattr(self, f"do_{verb}", lambda *a, **k: None)(*args, **kwargs)

        return ask

    def do_submit(self, text, key=""):
        return Acceptance(self.job)

    def do_list(self, state):
        return ["j1", "j2"]

    do_list_all = do_list

    def do_list_project(self, project, state):
        return []

    def do_info(self, job_id):
        return JobInfo(self.job, self.last, 0 if self.last is None else 1)

    def do_history(self, job_id):
        return [self.last] if self.last else []

    def do_find_resources(self, text):
        return ["host/jobmanager-slurm"]

    def describe(self, full):
        return "the long text" if full else "the short text"

    def do_application(self, job_id):
        return ApplicationAccess("http://app/", 77)

    def do_add_files(self, job_id, role, files):
        self.kept += files
        return [None for _ in files]

    def do_files(self, job_id, role):
        return list(self.kept)

    def do_delete_files(self, job_id, role, files):
        known = [entry in self.kept for entry in files]
        self.kept = [entry for entry in self.kept if entry not in files]
        gone = RequestError("not registered", code=ErrorCode.UNKNOWN_FILE)
        return [None if there else gone for there in known]

    def do_register_notification(self, job_id, **given):
        return "n1"

    def do_notifications(self, job_id):
        return [self.do_notification(job_id, "n1")]

    def do_notification(self, job_id, notification_id):
        return Notification("n1", "j1", "/CN=Ann", "STATUS", "SOAP", "http://me/", True)

    def run(self):
        """Give the job a finished run."""
        attempt = Attempt(
            "j1", 1, "pond", "t-1", "/w", "<grmsjob/>", NOON, host="node7", submitted_at=NOON,
            started_at=NOON, ended_at=NOON,
        )  # fmt: skip
        self.last = AttemptInfo(attempt, "http://app/")
        self.job = Job(
            "j1", "/CN=Ann", "demo", "<grmsjob/>", NOON, JobState.FINISHED,
            RequestStatus.TASK_DONE, finished_at=NOON, error="a & b \x01",
        )  # fmt: skip


@pytest.fixture
def service():
    return FakeService()


@pytest.fixture
def call(service):
    return Call(service, Principal("/CN=Ann"), "key-1")
