"""Look at wrappers and steer them, by the fork adapter's native ids: ``PID.START.BOOT.TAG``."""

import os
import signal
import time

from grms.jobside import processes
from grms.jobside.files import load, raw

_FORCE_AFTER = 60.0  # seconds after which a wrapper that was told to end is ended by force


class Wrapper:
    """One wrapper as its id and the files it left tell of it. Raises ValueError for another id."""

    _living = None  # type: dict[str, list[processes.Process]] | None
    # All marked processes of the host, looked at once for all wrappers of one command.

    def __init__(self, tags: str, native_id: str) -> None:
        pid, start, boot, self.tag = native_id.split(".", 3)
        self.native_id = native_id
        self.pid = int(pid)
        if "/" in self.tag or not self.tag:
            raise ValueError(native_id)
        process = look(self.pid, int(start), boot)
        self.process = process
        found = load(os.path.join(raw(tags), raw(self.tag))) or {}
        mine = bool(found) and native_id_of(found) == native_id
        self.control = raw(str(found["control"])) if mine else None

    def file(self, name: bytes) -> bytes:
        """A file of the control directory."""
        return os.path.join(self.control or b"", name)

    def has(self, name: bytes) -> bool:
        """True if the control directory has this file."""
        return self.control is not None and os.path.exists(self.file(name))

    def strays(self) -> "list[processes.Process]":
        """Living processes of the job that do not hang below its wrapper any more."""
        if self.control is None:
            return []
        if Wrapper._living is None:
            Wrapper._living = processes.marks()
        return Wrapper._living.get(self.tag, [])

    def evidence(self) -> "dict[str, object] | None":
        """The exit evidence, if there is any."""
        return load(self.file(b"exit.json")) if self.control else None


def look(pid: int, start: int, boot: str) -> "processes.Process | None":
    """The living process with this id of this boot, or None."""
    if processes.boot_id()[: len(boot)] != boot:
        return None
    process = processes.look(pid)
    return process if process and process.lives and process.start == start else None


def native_id_of(found: "dict[str, object]") -> str:
    """The native id of the wrapper that left this tag file."""
    who = [int(str(found.get(name) or 0)) for name in ("pid", "pid_start")]
    return processes.native_id(who[0], who[1], str(found.get("boot_id")), str(found.get("tag")))


def status(tags: str, ids: "list[str]") -> "list[dict[str, object]]":
    """What is known of each; those of which nothing lives and nothing is proved are left out."""
    answers = []
    for native_id in ids:
        try:
            answer = _status(Wrapper(tags, native_id))
        except ValueError:
            continue  # not an id of ours: unknown
        if answer:
            answers.append(dict(answer, id=native_id))
    return answers


def _status(wrapper: Wrapper) -> "dict[str, object] | None":
    living = wrapper.process is not None  # looked at before the evidence: it comes before the end
    evidence = wrapper.evidence()
    started = (load(wrapper.file(b"started.json")) or {}).get("at") if wrapper.control else None
    facts = {"tag": wrapper.tag, "started": started}  # type: dict[str, object]
    if evidence:
        facts.update(state="ended", ended=evidence.get("at"))
        facts.update(exit=evidence.get("exit"), usage=evidence.get("usage"))
        facts.update(checkpointed=evidence.get("checkpointed") is True)
    elif living and wrapper.has(b"held"):
        facts.update(state="held")
    elif living and wrapper.has(b"suspended"):
        facts.update(state="suspended")
    elif living:
        facts.update(state="running")
    elif wrapper.strays():
        facts.update(state="orphaned", reason="its wrapper was killed, its processes go on")
    else:
        return None
    return facts


def steer(tags: str, name: str, ids: "list[str]") -> "list[dict[str, object]]":
    """Send KILL (end it), STOP, CONT or any other signal; ``ok``, ``gone`` and a message each."""
    answers = []
    for native_id in ids:
        try:
            answer = _steer(Wrapper(tags, native_id), name)
        except ValueError:
            answer = _said(False, "not an id of the fork adapter", gone=True)
        answers.append(dict(answer, id=native_id))
    return answers


def _said(ok: bool, message: str = "", gone: bool = False) -> "dict[str, object]":
    return {"ok": ok, "message": message, "gone": gone}


def _steer(wrapper: Wrapper, name: str) -> "dict[str, object]":
    if name == "KILL":
        return _end(wrapper)
    if wrapper.process is None or wrapper.evidence():
        return _said(False, "there is no such job any more", gone=True)
    if name == "HOLD":
        return _said(wrapper.has(b"held"), "it was started already: suspend it instead")
    if name == "CONT" and wrapper.has(b"held"):
        return _await(wrapper, signal.SIGCONT, b"held", False)
    if name == "STOP":
        return _await(wrapper, signal.SIGTSTP, b"suspended", True)
    if name == "CONT":
        return _await(wrapper, signal.SIGCONT, b"suspended", False)
    os.kill(wrapper.pid, getattr(signal, "SIG" + name))
    return _said(True)


def _await(wrapper: Wrapper, number: int, mark: bytes, wanted: bool) -> "dict[str, object]":
    """Signal the wrapper and wait until it has done what the signal means."""
    processes.send(number, [wrapper.process] if wrapper.process else [])
    deadline = time.monotonic() + 20
    while wrapper.has(mark) is not wanted:
        now = processes.look(wrapper.pid)
        if now is None or not now.lives or wrapper.evidence():
            return _said(False, "it ended meanwhile", gone=True)
        if time.monotonic() > deadline:
            return _said(False, "its wrapper has not answered for 20 s")
        time.sleep(0.02)
    return _said(True)


def _end(wrapper: Wrapper) -> "dict[str, object]":
    if wrapper.evidence():
        return _said(True, "it had ended already", gone=True)
    if wrapper.process is not None and not _overdue(wrapper):
        processes.send(signal.SIGTERM, [wrapper.process])
        processes.send(signal.SIGCONT, [wrapper.process])
        return _said(True)
    strays = wrapper.strays()
    if wrapper.process is None and not strays:
        return _said(False, "there is no such job any more", gone=True)
    return _force(wrapper, strays)


def _overdue(wrapper: Wrapper) -> bool:
    """True when the wrapper was told to end long ago; the first time it is noted."""
    mark = wrapper.file(b"ending")
    try:
        if wrapper.control:
            os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        return False
    except FileExistsError:
        spec = load(wrapper.file(b"spec.json")) or {}
        allowed = float(str(spec.get("grace") or 10)) + _FORCE_AFTER
        return time.time() - os.stat(mark).st_mtime > allowed
    except OSError:
        return False


def _force(wrapper: Wrapper, strays: "list[processes.Process]") -> "dict[str, object]":
    """The wrapper is dead or deaf: end everything and leave the evidence in its stead."""
    from grms.jobside.job import NO_USAGE, Attempt, exit_of

    if wrapper.process:
        strays = strays + processes.descendants(wrapper.pid) + [wrapper.process]
    processes.send(signal.SIGKILL, strays)
    spec = load(wrapper.file(b"spec.json")) if wrapper.control else None
    if spec and wrapper.control:
        end = exit_of(number=int(signal.SIGKILL), reason="ended by force: its wrapper was gone")
        Attempt(spec, wrapper.control).post("exited", b"exit.json", 5.0, exit=end, usage=NO_USAGE)
    return _said(True)


def find(tags: str, names: "list[str]") -> "list[dict[str, object]]":
    """The native id behind each tag: from the tag file, else from a living marked process."""
    answers = []  # type: list[dict[str, object]]
    missing = []  # type: list[str]
    for name in names:
        found = load(os.path.join(raw(tags), raw(name))) if "/" not in name else None
        if found:
            answers.append({"tag": name, "ids": [native_id_of(found)]})
        else:
            missing.append(name)
    living = processes.marks() if missing else {}
    for name in missing:
        if name in living:
            first = min(living[name], key=lambda process: process.start)
            identity = processes.native_id(first.pid, first.start, processes.boot_id(), name)
            answers.append({"tag": name, "ids": [identity]})
    return answers
