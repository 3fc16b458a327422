"""One process from its start to its end: fed, read, timed, and killed with all its group."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from grms.broker.ports.batch import CommandResult
from grms.errors import ErrorCode, SiteError

#: Bytes a command may print on each of its streams.
OUTPUT_CAP = 64 * 1024 * 1024
_CHUNK = 65536


@dataclass(slots=True)
class _Pumps:
    """What a process is still to be given and what it has printed so far."""

    stdin: memoryview
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)


def run_process(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str = "",
    stdin: bytes = b"",
    timeout: float = 60.0,
) -> CommandResult:
    """Run ``argv`` in a session of its own; at ``timeout`` seconds its whole group is killed.

    Returns when the process itself has ended, even if something it left holds its output open.
    Raises SiteError when it prints more than OUTPUT_CAP.
    """
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd or None,
            env=env,
            start_new_session=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return _not_started(argv[0], cwd, error)
    with process:
        pumps = _Pumps(memoryview(stdin))
        try:
            in_time = _pump(process, pumps, time.monotonic() + timeout)
        finally:
            _close(process)
            if process.poll() is None:
                kill_group(process)
    return CommandResult(
        process.returncode, bytes(pumps.stdout), bytes(pumps.stderr), timed_out=not in_time
    )


def _not_started(program: str, cwd: str, error: Exception) -> CommandResult:
    if isinstance(error, OSError) and cwd and error.filename == cwd:
        return CommandResult(126, stderr=f"cannot enter {cwd}: {error.strerror}".encode())
    if isinstance(error, FileNotFoundError):
        return CommandResult(127, stderr=f"{program}: no such program".encode())
    words = f"cannot run {program}: {error}"
    return CommandResult(126, stderr=words.encode("utf-8", "replace"))


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and its session's first group, and collect it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()


def _close(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream and not stream.closed:
            try:
                stream.close()
            except OSError:  # pragma: no cover - unbuffered leftovers for a process that is gone
                continue


def _pump(process: subprocess.Popen[bytes], pumps: _Pumps, deadline: float) -> bool:
    """Feed and read until the process ends; False at the deadline."""
    assert process.stdin
    assert process.stdout
    assert process.stderr
    ended = os.pidfd_open(process.pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(ended, selectors.EVENT_READ, "ended")
            for stream, name in ((process.stdout, "stdout"), (process.stderr, "stderr")):
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_READ, name)
            os.set_blocking(process.stdin.fileno(), False)
            if pumps.stdin:
                selector.register(process.stdin, selectors.EVENT_WRITE, "stdin")
            else:
                process.stdin.close()
            while (left := deadline - time.monotonic()) > 0:
                names = {key.data: key.fileobj for key, _ in selector.select(left)}
                if "ended" in names:
                    _drain(process.stdout, pumps.stdout)
                    _drain(process.stderr, pumps.stderr)
                    process.wait()
                    return True
                _step(names, pumps, selector)
        return False
    finally:
        os.close(ended)


def _step(names: Mapping[str, Any], pumps: _Pumps, selector: selectors.BaseSelector) -> None:
    for name, stream in names.items():
        if name == "stdin":
            if not _feed(stream.fileno(), pumps):
                selector.unregister(stream)
                stream.close()
        elif not _read(stream.fileno(), pumps.stdout if name == "stdout" else pumps.stderr):
            selector.unregister(stream)


def _feed(handle: int, pumps: _Pumps) -> bool:
    """Write a piece; False when everything is written or nobody reads any more."""
    try:
        pumps.stdin = pumps.stdin[os.write(handle, pumps.stdin[:_CHUNK]) :]
    except BlockingIOError:
        return True
    except BrokenPipeError:
        return False
    return bool(pumps.stdin)


def _read(handle: int, into: bytearray) -> bool:
    """Read a piece; False at the end of the stream."""
    try:
        piece = os.read(handle, _CHUNK)
    except BlockingIOError:
        return True
    into += piece
    if len(into) > OUTPUT_CAP:
        raise SiteError(
            f"a command printed more than {OUTPUT_CAP >> 20} MB", code=ErrorCode.BAD_ANSWER
        )
    return bool(piece)


def _drain(stream: IO[bytes], into: bytearray) -> None:
    """Read what is there already."""
    before = -1
    while before != len(into):
        before = len(into)
        if not stream.closed and not _read(stream.fileno(), into):
            return
