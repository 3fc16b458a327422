"""What a transport runs on a cluster to start commands and touch files there.

Plain Python 3.6 and its standard library. The texts of ``trees.py`` and of this file go to
``python3 -c`` through standard input, so nothing has to be installed; then it serves requests
until its input ends:

* a request and a reply are one length-prefixed JSON object each (``trees.write_json``); contents
  are base64. A request has ``op``; a reply has ``value``, or ``error`` with ``errno``;
* after ``put`` the request goes on with a tree, after ``get`` the reply does;
* when the input ends while a command runs, the connection is gone: the command and its process
  group are killed, so that nothing piles up on a login node.
"""

import base64
import errno
import os
import select
import signal
import subprocess
import sys
import threading
import time
from typing import Any, BinaryIO, Callable

from grms.jobside.trees import (
    BrokenError,
    RefusedError,
    discard,
    entries,
    make_directories,
    raw,
    read_json,
    read_or_none,
    receive_tree,
    send_tree,
    sweep,
    text,
    write_all,
    write_json,
)

READY = b"\ngrms-helper-ready\n"
CAP = 64 << 20  # bytes kept of each output of a command
PARALLEL = 8  # commands of one request that run at once
PIPE_GRACE = 0.5  # seconds that the output of an ended command is waited for

_live = set()  # type: set[subprocess.Popen[bytes]]
_lock = threading.Lock()


def run_all(commands: "list[Any]") -> "list[Any]":
    """Run commands, a few at once; the answers are in the order of the commands."""
    results = [None] * len(commands)  # type: list[Any]
    numbers = iter(range(len(commands)))

    def work() -> None:
        while True:
            with _lock:
                number = next(numbers, None)
            if number is None:
                return
            results[number] = run(commands[number])

    workers = [threading.Thread(target=work) for _ in range(min(PARALLEL, len(commands)))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return results


def run(command: Any) -> Any:
    """Run one command in a session of its own; after its timeout its process group is killed."""
    environment = dict(os.environb)
    environment[b"LC_ALL"] = b"C"
    environment.update({raw(key): raw(value) for key, value in command["env"].items()})
    cwd = raw(command["cwd"]) or None
    if cwd and not os.path.isdir(cwd):
        return _result(127, b"", b"cannot enter %s: there is no such directory\n" % cwd, False)
    argv = [raw(item) for item in command["argv"]]
    pipe = subprocess.PIPE
    try:
        with _lock:  # whoever ends everything sees it, or it is not started
            process = subprocess.Popen(
                argv, cwd=cwd, env=environment, start_new_session=True, bufsize=0,
                stdin=pipe, stdout=pipe, stderr=pipe,
            )  # fmt: skip
            _live.add(process)
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        reason = "%s: %s\n" % (text(argv[0]), os.strerror(number) if number else error)
        return _result(127 if number == errno.ENOENT else 126, b"", raw(reason), False)
    try:
        with process:
            return _attend(process, base64.b64decode(command["stdin"]), command["timeout"])
    finally:
        with _lock:
            _live.discard(process)


def _attend(process: "subprocess.Popen[bytes]", given: bytes, timeout: float) -> Any:
    assert process.stdout
    assert process.stderr
    outputs = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    out, err = outputs.values()
    reading = set(outputs)
    os.set_blocking(process.stdin.fileno(), False)  # type: ignore[union-attr]
    end = time.monotonic() + timeout
    while reading and time.monotonic() < end:
        if process.poll() is not None:  # its heirs may hold the pipes for ever
            end = min(end, time.monotonic() + PIPE_GRACE)
        given = _feed(process, given)
        writing = [process.stdin] if given and process.stdin else []
        for fd in select.select(reading, writing, [], PIPE_GRACE / 4)[0]:
            chunk = os.read(fd, 65536)
            outputs[fd] += chunk[: max(0, CAP - len(outputs[fd]))]
            if not chunk:
                reading.discard(fd)
    try:
        code = process.wait(max(0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        kill(process)
        return _result(process.wait(), bytes(out), bytes(err), True)
    return _result(code, bytes(out), bytes(err), False)


def _feed(process: Any, given: bytes) -> bytes:
    """Give what the command's input takes now; the answer is what is left."""
    try:
        given = given[os.write(process.stdin.fileno(), given[:65536]) :] if given else b""
    except BlockingIOError:
        return given
    except (OSError, ValueError):  # it reads no more
        given = b""
    if not given:
        process.stdin.close()
    return given


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a command with its process group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except OSError:
        process.kill()


def _result(code: int, out: bytes, err: bytes, expired: bool) -> Any:
    return {"exit": code, "out": _b64(out), "err": _b64(err), "timed_out": expired}


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def run_attended(commands: "list[Any]", connection: int) -> Any:
    """``run_all``, but when ``connection`` ends meanwhile, kill everything and exit."""
    done, finished = os.pipe()
    answer = []  # type: list[Any]

    def work() -> None:
        try:
            answer.append(run_all(commands))
        finally:
            os.close(finished)

    worker = threading.Thread(target=work)
    worker.start()
    if connection in select.select([connection, done], [], [])[0]:
        with _lock:
            for process in _live:
                kill(process)
            os._exit(1)
    worker.join()
    os.close(done)
    return answer[0]


def handle(request: Any, source: BinaryIO, sink: BinaryIO) -> Any:
    """Do one request; the answer is the reply's value."""
    op = request["op"]
    if op == "run":
        return run_attended(request["commands"], source.fileno())
    if op == "write":
        files = request["files"].items()
        write_all({raw(path): base64.b64decode(item) for path, item in files}, request["mode"])
    elif op == "read":
        contents = ((path, read_or_none(raw(path))) for path in request["paths"])
        return {path: _b64(content) for path, content in contents if content is not None}
    elif op == "sweep":
        found = sweep(raw(request["directory"]), request["limit"])
        return {name: _b64(content) for name, content in found.items()}
    elif op == "remove":
        for path in request["paths"]:
            discard(raw(path))
    elif op == "mkdir":
        for path in request["paths"]:
            make_directories(raw(path), request["mode"])
    elif op == "put":
        return receive_tree(raw(request["target"]), exact(source), request["mode"])
    elif op == "get":
        root = raw(request["source"])
        listing = entries(root)  # what is missing or refused is told before the tree begins
        write_json(sink.write, {"value": None})
        _send(root, listing, sink)
    return None


def _send(root: bytes, listing: "list[tuple[str, bytes]]", sink: BinaryIO) -> None:
    try:
        send_tree(root, listing, sink.write)
    except (OSError, BrokenError) as error:  # inside a tree nothing can be told but its end
        sink.flush()
        sys.exit(describe(error))


def exact(source: BinaryIO) -> Callable[[int], bytes]:
    """A ``read(n)`` that gives n bytes or raises BrokenError."""

    def read(size: int) -> bytes:
        chunk = source.read(size)
        if len(chunk) < size:
            raise BrokenError("the connection ended early")
        return chunk

    return read


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Serve requests until ``source`` ends."""
    sink.write(READY)
    sink.flush()
    while True:
        try:
            request = read_json(exact(source))
        except BrokenError:
            return
        streams = request["op"] in ("put", "get")
        try:
            reply = {"value": handle(request, source, sink)}
        except (OSError, RefusedError, BrokenError, ValueError) as error:
            kind = "refused" if isinstance(error, RefusedError) else "failed"
            number = getattr(error, "errno", None) or 0
            reply = {"error": describe(error), "errno": number, "kind": kind}
        failed = "error" in reply
        if failed or request["op"] != "get":
            write_json(sink.write, reply)
        sink.flush()
        if failed and streams:  # what follows on the stream is no request
            return


def describe(error: BaseException) -> str:
    """The error in words, with the path it is about."""
    path = getattr(error, "filename", None)
    words = getattr(error, "strerror", None) or str(error)
    return "%s: %s" % (text(path) if isinstance(path, bytes) else path, words) if path else words


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
