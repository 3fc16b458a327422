"""The fork adapter's submit: wrappers that outlive the command that started them."""

import os
import sys

from grms.jobside import processes
from grms.jobside.files import raw, text
from grms.jobside.job import run


def launch(controls: "list[str]", hold: bool = False) -> "list[dict[str, object]]":
    """Start the wrappers of control directories; for each its native id, or the error.

    A wrapper has left its tag before its id is told, so that who never hears the id finds it. All
    that wrappers need is loaded before they part from us: it is paid for once.
    """
    processes.load_prctl()
    pipes = [_start(control, hold) for control in controls]
    return [_told(control, pipe) for control, pipe in zip(controls, pipes)]


def _start(control: str, hold: bool) -> int:
    reading, writing = os.pipe()
    middle = os.fork()
    if middle == 0:
        os.close(reading)
        _detach(raw(control), hold, writing)
    os.close(writing)
    os.waitpid(middle, 0)
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
    """In the first child: a session of its own, a second fork, and the wrapper. Never returns."""
    status = 70
    try:
        os.setsid()
        if os.fork() == 0:
            status = _wrapper(control, hold, report)
        else:
            status = 0
    finally:
        os._exit(status)


def _wrapper(control: bytes, hold: bool, report: int) -> int:
    told = []  # type: list[str]

    def ready(native_id: str) -> None:
        os.write(report, raw("id " + native_id))
        os.close(report)
        told.append(native_id)

    try:
        _redirect(control)
        os.chdir("/")
        return run(text(os.path.join(control, b"spec.json")), ready, hold)
    except Exception as error:
        words = "%s: %s" % (type(error).__name__, error)
        if not told:
            os.write(report, raw("error " + words))
        sys.stderr.write(words + "\n")
        sys.stderr.flush()
        return 70


def _redirect(control: bytes) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(
        os.path.join(control, b"wrapper.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
    )
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(log)
