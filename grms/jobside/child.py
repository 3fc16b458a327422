"""From the wrapper to the job's program: fork, set up, exec, and say exactly what went wrong."""

import errno
import os
import resource
import signal
import time

from grms.jobside import processes
from grms.jobside.cgroup import Group
from grms.jobside.files import raw, text

_EXEC, _SETUP = b"x", b"s"
_NOT_A_PROGRAM = "neither a program for this machine nor a script that begins with #!"


class StartError(Exception):
    """The program could not be started. ``code`` as a shell gives it: 127, 126, or None."""

    def __init__(self, reason: str, code: "int | None" = None) -> None:
        Exception.__init__(self, reason)
        self.reason = reason
        self.code = code


def open_streams(spec: "dict[str, object]") -> "list[int]":
    """Open stdin, stdout and stderr of a job; two names of one file share one description.

    Raises StartError naming the stream, the path and the reason.
    """
    opened = {}  # type: dict[str, int]
    out = _OUT if spec.get("append") else _OUT | os.O_TRUNC
    return [_stream(name, str(spec.get(name) or ""), opened, out) for name in _STREAMS]


_STREAMS = ("stdin", "stdout", "stderr")
_OUT = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def _stream(name: str, path: str, opened: "dict[str, int]", out: int) -> int:
    reading = name == "stdin"
    key = path or name
    if key not in opened:
        try:
            opened[key] = os.open(raw(path or os.devnull), os.O_RDONLY if reading else out, 0o666)
        except (OSError, ValueError) as error:
            raise StartError("cannot open %s %s: %s" % (name, path, _why(error)))
    return opened[key]


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def start(
    argv: "list[bytes]",
    env: "dict[bytes, bytes]",
    work: bytes,
    streams: "list[int]",
    cpu: "int | None",
    group: Group,
) -> int:
    """Start one process of the job's group and return its id once exec has succeeded.

    Raises StartError; then no process is left.
    """
    reading, writing = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(argv, env, work, streams, cpu, group, parent, writing)
    os.close(writing)
    report = processes.drain(reading)
    os.close(reading)
    if not report:
        return pid
    os.waitpid(pid, 0)
    raise _error(report, text(argv[0]), text(work))


def _error(report: bytes, program: str, work: str) -> StartError:
    number, why = report[1:].split(b" ", 1)
    if report[:1] == _SETUP:
        return StartError("cannot prepare the process in %s: %s" % (work, text(why)))
    if int(number) in (errno.ENOENT, errno.ENOTDIR):
        return StartError("no such program: %s (or its interpreter)" % program, 127)
    if int(number) == errno.ENOEXEC:
        return StartError("cannot execute %s: %s" % (program, _NOT_A_PROGRAM), 126)
    return StartError("cannot execute %s: %s" % (program, text(why)), 126)


def _become(
    argv: "list[bytes]",
    env: "dict[bytes, bytes]",
    work: bytes,
    streams: "list[int]",
    cpu: "int | None",
    group: Group,
    parent: int,
    report: int,
) -> None:
    """In the child: never returns."""
    stage = _SETUP
    try:
        _set_up(work, streams, cpu, group, parent)
        stage = _EXEC
        _execute(argv, env)
    except Exception as error:
        number = getattr(error, "errno", None) or 0
        os.write(report, stage + b"%d " % number + raw(_why(error)))
    finally:
        os._exit(127)


def _set_up(
    work: bytes, streams: "list[int]", cpu: "int | None", group: Group, parent: int
) -> None:
    os.setpgid(0, 0)
    group.join()
    processes.die_with_parent()
    if os.getppid() != parent:
        os._exit(127)  # the wrapper is gone already
    # Copies above 2 first: a stream may itself have one of the numbers 0 to 2.
    copies = [os.dup(stream) for stream in streams]
    while min(copies) < 3:
        copies = [os.dup(copy) for copy in copies]
    for number, copy in enumerate(copies):
        os.dup2(copy, number)
    os.chdir(work)
    if cpu:
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        high = cpu + 30 if hard == resource.RLIM_INFINITY else min(cpu + 30, hard)
        resource.setrlimit(resource.RLIMIT_CPU, (min(cpu, high), high))
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python had set them aside
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _execute(argv: "list[bytes]", env: "dict[bytes, bytes]") -> None:
    for _ in range(20):
        try:
            os.execvpe(argv[0], argv, env)
        except OSError as error:
            if error.errno != errno.ETXTBSY:
                raise
            time.sleep(0.05)  # somebody who wrote it has not closed it yet
    raise OSError(errno.ETXTBSY, os.strerror(errno.ETXTBSY))
