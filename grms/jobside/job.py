"""One attempt of a job, from its tag to its exit evidence; ``grms.jobside`` has the protocol."""

import os
import signal
import sys
import time

from grms.jobside import cgroup, processes
from grms.jobside.files import (
    dump,
    keep_trying,
    load,
    news_name,
    raw,
    sync_directory,
    text,
    write_whole,
)
from grms.jobside.supervise import SIGNALS, Supervisor

REFUSED = 76
OWN_FAILURE = 70


class Attempt:
    """The files of one attempt, and who we are."""

    def __init__(self, spec: "dict[str, object]", control: bytes) -> None:
        me = processes.look(os.getpid())
        self.spec = spec
        self.control = control
        self.tag = str(spec["tag"])
        self.inbox = raw(str(spec["inbox"]))
        self.tag_file = os.path.join(raw(str(spec["tags"])), raw(self.tag))
        self.identity = {
            "tag": self.tag,
            "job_id": spec["job_id"],
            "attempt": spec["attempt"],
            "control": text(control),
            "host": os.uname().nodename,
            "pid": os.getpid(),
            "pid_start": me.start if me else 0,
            "boot_id": processes.boot_id(),
        }  # type: dict[str, object]

    @property
    def native_id(self) -> str:
        """Our id as the fork adapter has it."""
        who = self.identity
        return processes.native_id(
            int(str(who["pid"])), int(str(who["pid_start"])), str(who["boot_id"]), self.tag
        )

    def path(self, name: bytes) -> bytes:
        """A file of the control directory."""
        return os.path.join(self.control, name)

    def leave_tag(self) -> None:
        """Make the tag file unless it is there; raises OSError after a minute of trying."""
        end = time.monotonic() + 60
        while True:
            try:
                # Not durable: what a crash of the host takes with it was no living wrapper.
                write_whole(self.tag_file, dump(self.identity), exclusive=True, durable=False)
                return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)

    def refusal(self) -> str:
        """Why this attempt may not start; "" if it may, and then it is marked as started.

        ``started`` is made before the last look at ``revoked`` and ``fence``: whoever revokes
        writes first and then looks for ``started``, so one of the two sees the other.
        """
        reason = self._forbidden()
        if reason:
            return reason
        if os.path.exists(self.path(b"exit.json")):
            return "this attempt has ended already"
        try:
            handle = os.open(self.path(b"started"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return "this attempt was started already"
        os.close(handle)
        sync_directory(self.control)  # not even a crash of the host may make a second start legal
        return self._forbidden()

    def _forbidden(self) -> str:
        if os.path.exists(self.path(b"revoked")):
            return "this attempt was revoked"
        fence = self.spec.get("fence")
        try:
            oldest = int(processes.slurp(raw(str(fence or ""))).strip() or b"0")
        except (OSError, ValueError):
            return ""
        if oldest > int(str(self.spec["attempt"])):
            return "attempt %d is in force" % oldest
        return ""

    def post(self, what: str, keep: "bytes | None", patience: float, **facts: object) -> None:
        """Leave news in the inbox and, under ``keep``, in the control directory.

        Only the exit evidence is worth the disk's time: the rest can be told from it.
        """
        value = dict(self.identity, what=what, at=time.time(), **facts)
        inbox = os.path.join(self.inbox, news_name(self.tag, what))
        targets = [(inbox, min(patience, 600.0), False)]
        if keep:
            targets.insert(0, (self.path(keep), patience, what == "exited"))
        keep_trying(targets, dump(value))

    def ended(
        self, end: "dict[str, object]", usage: "dict[str, object]", checkpointed: bool = False
    ) -> None:
        """Leave the exit evidence; a full disk is waited for, for a day."""
        more = {"checkpointed": True} if checkpointed else {}
        self.post("exited", b"exit.json", 86400.0, exit=end, usage=usage, **more)


def exit_of(
    code: "int | None" = None, number: "int | None" = None, reason: str = "", limit: str = ""
) -> "dict[str, object]":
    """The ``exit`` object of the evidence."""
    return {"code": code, "signal": number, "reason": reason, "limit": limit}


NO_USAGE = {"wall": 0.0, "cpu": 0.0, "max_rss": 0}  # type: dict[str, object]


def status_of(end: "dict[str, object]") -> int:
    """The exit status that ``run`` ends with for this end of a job."""
    if end["signal"] is not None:
        return 128 + int(str(end["signal"]))
    return OWN_FAILURE if end["code"] is None else int(str(end["code"]))


def run(spec_file: str, ready: "object" = None, hold: bool = False) -> int:
    """Do the job of a specification in the foreground and return the exit status.

    ``ready(native_id)`` is called when the tag is left. Raises ValueError if there is no
    usable specification.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    path = os.path.abspath(raw(spec_file))
    spec = load(path)
    if spec is None or spec.get("version") != 1:
        raise ValueError("%s holds no job specification of version 1" % spec_file)
    attempt = Attempt(spec, os.path.dirname(path))
    if hold:
        write_whole(attempt.path(b"held"), b"")
    attempt.leave_tag()
    if callable(ready):
        ready(attempt.native_id)
    else:  # a launcher has done it for all
        cgroup.sweep()
    end = _wait_for_release(attempt) if hold else None
    if end is not None:
        attempt.ended(end, NO_USAGE)
        return status_of(end)
    try:
        reason = attempt.refusal()
    except OSError as error:
        reason = "its start could not be marked: %s" % error
    if reason:
        attempt.post("refused", None, 3600.0, reason=reason)
        return REFUSED
    attempt.post("started", b"started.json", 5.0)
    supervisor = Supervisor(attempt.spec, attempt.control, leave_tool())
    end, usage = _supervised(supervisor)
    attempt.ended(end, usage, supervisor.checkpointed)
    return status_of(end)


def leave_tool() -> bytes:
    """Make ``grms-job`` beside the program, once for all its jobs; the directory it is in.

    "" where it cannot be made: a job without it still runs.
    """
    program = os.path.abspath(raw(sys.argv[0]))
    folder = os.path.splitext(program)[0] + b".tools"
    tool = os.path.join(folder, b"grms-job")
    if os.path.exists(tool):
        return folder
    if not os.path.isfile(program):
        return b""
    quoted = "'%s'" % text(program).replace("'", "'\\''")
    script = '#!/bin/sh\nexec "$GRMS_PYTHON" -I -S %s job "$GRMS_CONTROL" "$@"\n' % quoted
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        write_whole(tool, raw(script), mode=0o700)
    except OSError as error:
        sys.stderr.write("grms-job cannot be given to the job: %s\n" % error)
        return b""
    return folder


def _supervised(supervisor: Supervisor) -> "tuple[dict[str, object], dict[str, object]]":
    try:
        return supervisor.work()
    except Exception as error:
        supervisor.end_all()
        reason = "the job's wrapper failed: %s: %s" % (type(error).__name__, error)
        return exit_of(reason=reason), supervisor.usage()


def _wait_for_release(attempt: Attempt) -> "dict[str, object] | None":
    """Wait, held, for SIGCONT; a signal to end makes the end."""
    try:
        while True:
            number = signal.sigwait(SIGNALS)
            if number == signal.SIGCONT:
                return None
            if number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
                return exit_of(number=int(number), reason="ended while it was held")
    finally:
        os.unlink(attempt.path(b"held"))
