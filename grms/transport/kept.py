"""Processes that are kept: started once, they answer one line after another."""

from __future__ import annotations

import select
import subprocess
import threading
import time
from collections.abc import Mapping

from grms.broker.ports.batch import CommandResult, Kept
from grms.errors import ErrorCode, SiteError
from grms.transport.process import kill_group


class KeptProcess:
    """One of them. It is started when it is asked and not there, so it may end when it likes."""

    def __init__(self, argv: tuple[str, ...], env: Mapping[str, str]) -> None:
        self._argv = argv
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()

    def ask(self, line: bytes, timeout: float) -> CommandResult:
        """Its answer to one line; at ``timeout`` seconds it is killed.

        Raises SiteError when it cannot be started, or ends without a whole answer: then it may have
        done its work.
        """
        with self._turn:
            try:
                return self._ask(self._running(), line, time.monotonic() + timeout)
            except OSError as error:
                self._end()
                raise _cut(self._argv, str(error)) from error

    def close(self) -> None:
        """End it."""
        with self._turn:
            self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env=self._env,
                start_new_session=True,
            )
        return self._process

    def _ask(self, process: subprocess.Popen[bytes], line: bytes, deadline: float) -> CommandResult:
        assert process.stdin
        assert process.stdout
        view = memoryview(line)
        while view:
            view = view[process.stdin.write(view) or 0 :]
        poll = select.poll()  # not select, which knows no descriptor above 1023
        poll.register(process.stdout, select.POLLIN)
        answer = b""
        while not answer.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                self._end()
                return CommandResult(-9, answer, timed_out=True)
            piece = process.stdout.read(1 << 20)
            if not piece:
                self._end()
                raise _cut(self._argv, "it ended before its answer")
            answer += piece
        return CommandResult(0, answer)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            kill_group(process)
            for stream in (process.stdin, process.stdout):
                if stream:
                    stream.close()


class KeptProcesses:
    """Those of one transport, by their argument lists."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], KeptProcess] = {}
        self._lock = threading.Lock()

    def ask(self, kept: Kept, env: Mapping[str, str], timeout: float) -> CommandResult:
        """See ``KeptProcess.ask``."""
        with self._lock:
            process = self._known.setdefault(kept.argv, KeptProcess(kept.argv, env))
        return process.ask(kept.line, timeout)

    def close(self) -> None:
        """End them all; who is asked again is started again."""
        with self._lock:
            for process in self._known.values():
                process.close()
            self._known.clear()


def _cut(argv: tuple[str, ...], reason: str) -> SiteError:
    return SiteError(
        f"{' '.join(argv)}: {reason}; whether it did what it was asked for is not known",
        code=ErrorCode.BATCH_SYSTEM_DOWN,
    )
