"""The fork adapter's submit: wrappers that outlive the command that started them."""

import gc
import json
import os
import select
import sys
import time
from functools import lru_cache

from grms.jobside import cgroup, processes, supervise
from grms.jobside.files import dump, put, raw, text
from grms.jobside.job import run

_IDLE = 60.0  # seconds after which a launcher that is not asked any more ends
_LOOK = 1.0  # seconds that an ended wrapper is left a zombie at most


def launch(controls: "list[str]", hold: bool = False) -> "list[dict[str, object]]":
    """Start the wrappers of control directories; for each its native id, or the error.

    A wrapper has left its tag before its id is told, so that who never hears the id finds it.
    """
    _prepare()
    cgroup.sweep()
    pipes = [_start(control, hold) for control in controls]
    return [_told(control, pipe) for control, pipe in zip(controls, pipes)]


def serve() -> int:
    """Launch for one request after another: a line with a list of control directories each.

    Each gets a line as the verb ``launch`` prints it. Ends with its input, or when it is idle.
    """
    _prepare()
    asked, used = b"", time.monotonic()
    while time.monotonic() - used < _IDLE:
        _collect()
        if not select.select([0], [], [], _LOOK)[0]:
            continue
        piece = os.read(0, 65536)
        if not piece:
            break
        asked, used = asked + piece, time.monotonic()
        while b"\n" in asked:
            line, _, asked = asked.partition(b"\n")
            put(1, dump({"answers": launch(json.loads(line.decode("ascii")))}))
    return 0


def _collect() -> None:
    """Take leave of the wrappers that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass  # none is left


@lru_cache(maxsize=None)
def _prepare() -> None:
    """Load and look for all that wrappers need before they part from us: it is paid for once, and
    what they do not write to is never copied.
    """
    processes.load_prctl()
    supervise.account()
    gc.disable()
    getattr(gc, "freeze", int)()  # since Python 3.7


def _start(control: str, hold: bool) -> int:
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        _detach(raw(control), hold, writing)
    os.close(writing)
    return reading


def _told(control: str, reading: int) -> "dict[str, object]":
    with os.fdopen(reading, "rb") as pipe:
        answer = text(pipe.read())
    kind, _, rest = answer.partition(" ")
    if kind == "id":
        return {"dir": control, "native_id": rest}
    return {
        "dir": control,
        "error": rest or "the wrapper ended without a word",
        "log": _log(control),
    }


def _log(control: str) -> str:
    try:
        with open(os.path.join(raw(control), b"wrapper.log"), "rb") as stream:
            return text(stream.read()[-2000:])
    except OSError:
        return ""


def _detach(control: bytes, hold: bool, report: int) -> None:
    """In the child: a session of its own, and the wrapper in it. Never returns.

    It belongs to the host's init once the launcher has ended.
    """
    status = 70
    try:
        os.setsid()
        status = _wrapper(control, hold, report)
    finally:
        os._exit(status)


def _wrapper(control: bytes, hold: bool, report: int) -> int:
    told = []  # type: list[str]

    def ready(native_id: str) -> None:
        os.write(report, raw("id " + native_id))
        os.close(report)
        told.append(native_id)

    log = Log(control)
    try:
        _redirect()
        sys.stderr = log
        os.chdir("/")
        return run(text(os.path.join(control, b"spec.json")), ready, hold)
    except Exception as error:
        words = "%s: %s" % (type(error).__name__, error)
        if not told:
            os.write(report, raw("error " + words))
        log.write(words + "\n")
        return 70


class Log:
    """What a wrapper itself has to say, in ``wrapper.log``: a file only if there is something."""

    def __init__(self, control: bytes) -> None:
        self.path = os.path.join(control, b"wrapper.log")

    def write(self, words: str) -> None:
        """Append; a disk that is full takes nothing."""
        try:
            with open(self.path, "ab") as stream:
                stream.write(raw(words))
        except OSError:
            pass

    def flush(self) -> None:
        """Nothing is kept back."""


def _redirect() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.close(null)
