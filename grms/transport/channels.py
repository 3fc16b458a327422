"""Helpers on the other side: each a kept session that serves one request at a time."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paramiko

from grms.errors import SiteError
from grms.jobside import helper, trees
from grms.transport.connection import Connection
from grms.transport.target import Target

#: Seconds without a byte after which a session counts as dead.
QUIET = 120.0
#: Seconds that a server may go on counting a session that has just ended.
_SETTLE = 2.0

_START = (
    "import sys,types;i=sys.stdin.buffer;a,b=map(int,i.readline().split());"
    "m=sys.modules['grms.jobside.trees']=types.ModuleType('trees');exec(i.read(a),m.__dict__);"
    "exec(compile(i.read(b),'grms-helper','exec'))"
)


def starter() -> str:
    """What ``python3 -c`` is given: it reads the program from its standard input."""
    return _START


def program() -> bytes:
    """The program's text with its lengths in front."""
    first, second = (Path(str(module.__file__)).read_bytes() for module in (trees, helper))
    return b"%d %d\n" % (len(first), len(second)) + first + second


class CutError(SiteError):
    """The session ended under a request: whether it was carried out is not known."""


class Helper:
    """One session with the program of ``grms.jobside.helper`` at its other end."""

    def __init__(self, target: Target, channel: paramiko.Channel) -> None:
        self.target = target
        self.channel = channel
        self._buffer = bytearray()
        channel.settimeout(QUIET)
        channel.exec_command(f"{shlex.quote(target.python)} -I -S -c {shlex.quote(_START)}")
        self._begin()

    @property
    def usable(self) -> bool:
        """False when the other side has ended."""
        return not (self.channel.closed or self.channel.eof_received or self._buffer)

    def close(self) -> None:
        """End the session; a command that still runs there is killed."""
        self.channel.close()

    def ask(self, request: Mapping[str, Any], *, patience: float = QUIET) -> Any:
        """The value of the reply. Raises CutError, or OSError (with errno) as it came up there."""
        self.channel.settimeout(patience)
        trees.write_json(self.send, request)
        return self.answer()

    def answer(self) -> Any:
        """Read one reply."""
        reply = trees.read_json(self.read)
        if "error" in reply:
            if reply["kind"] == "refused":
                raise trees.RefusedError(reply["error"])
            raise OSError(reply["errno"], reply["error"])
        return reply["value"]

    def send(self, chunk: bytes) -> None:
        """Send all of it. Raises CutError."""
        try:
            self.channel.sendall(chunk)
        except OSError as error:
            raise self._cut(error) from error

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes. Raises CutError."""
        while len(self._buffer) < size:
            try:
                chunk = self.channel.recv(1 << 18)
            except OSError as error:
                raise self._cut(error) from error
            if not chunk:
                raise self._cut(None)
            self._buffer += chunk
        wanted = bytes(self._buffer[:size])
        del self._buffer[:size]
        return wanted

    def _begin(self) -> None:
        """Send the program, and skip what the account's profile prints before it answers."""
        seen = b""
        try:
            self.send(program())
            while not seen.endswith(helper.READY):
                seen += self.read(1)
        except CutError as error:
            raise SiteError(
                f"cannot start {self.target.python!r} on {self.target}: "
                f"{error.detail or seen.decode(errors='replace').strip() or 'no answer'}; "
                "the option python names a Python 3.6 or newer there",
                transient=not (error.detail or seen.strip()),
            ) from error

    def _cut(self, error: OSError | None) -> CutError:
        said = b""
        while self.channel.recv_stderr_ready():
            said += self.channel.recv_stderr(65536)
        reason = said.decode(errors="replace").strip()
        quiet = f"no byte for {self.channel.gettimeout():.0f} s" if error else ""
        return CutError(
            f"the session on {self.target} ended: "
            f"{reason.splitlines()[-1] if reason else quiet or 'the connection was lost'}",
            detail=reason,
        )


class Pool:
    """At most ``target.channels`` helpers over one connection; idle ones are used again."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.limit = connection.target.channels
        self._idle: list[Helper] = []
        self._busy = 0  # requests that hold a place
        self._open = 0  # sessions that are open, idle ones included
        self._changed = threading.Condition()
        self._opening = threading.Lock()

    @contextmanager
    def helper(self, *, fresh: bool = False) -> Iterator[Helper]:
        """A helper for one request; it is kept for the next one unless the request failed.

        ``fresh`` asks for one that no request was sent to before.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._busy < self.limit)
            self._busy += 1
            if fresh:
                self._drop_idle()
        helper = None
        kept = False
        try:
            helper = self._obtain()
            yield helper
            kept = True
        finally:
            with self._changed:
                self._busy -= 1
                if helper is not None and kept and helper.usable and self._open <= self.limit:
                    self._idle.append(helper)
                elif helper is not None:
                    self._drop(helper)
                self._changed.notify_all()

    def close(self) -> None:
        """End the idle helpers."""
        with self._changed:
            self._drop_idle()

    def _drop_idle(self) -> None:
        while self._idle:
            self._drop(self._idle.pop())

    def _drop(self, helper: Helper) -> None:
        helper.close()
        self._open -= 1

    def _take_idle(self) -> Helper | None:
        with self._changed:
            while self._idle:
                helper = self._idle.pop()
                if helper.usable:
                    return helper
                self._drop(helper)
            return None

    def _obtain(self) -> Helper:
        """An idle helper or a new one. A server that goes on refusing lowers the limit."""
        started = time.monotonic()
        while True:
            helper = self._take_idle()
            if helper is not None:
                return helper
            try:
                return self._start()
            except paramiko.ChannelException as error:
                passed = time.monotonic() - started
                if passed > QUIET:
                    target = self.connection.target
                    raise SiteError(f"{target} allows no further session: {error}") from error
                with self._changed:
                    if passed > _SETTLE:
                        self.limit = max(1, min(self.limit, self._open))
                    self._changed.wait(timeout=0.2)

    def _start(self) -> Helper:
        target, transport = self.connection.target, self.connection.transport()
        try:
            # One at a time: paramiko mixes up the refusals of two that are asked for at once.
            with self._opening:
                channel = transport.open_session(timeout=QUIET)
        except paramiko.ChannelException:
            raise
        except (paramiko.SSHException, EOFError) as error:
            raise CutError(f"the connection to {target} was lost: {error}") from error
        with self._changed:
            self._open += 1
        try:
            return Helper(target, channel)
        except BaseException:
            channel.close()
            with self._changed:
                self._open -= 1
            raise
