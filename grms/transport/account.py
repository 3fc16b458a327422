"""Another account of this host: a login through the kernel or ``sudo`` in place of SSH.

Root switches by itself; any other account needs a rule in sudoers that lets it run commands as
the mapped accounts without a password. From there on everything is as over SSH: a kept helper
process of that account serves the requests.
"""

from __future__ import annotations

import os
import pwd
import select
import subprocess
import time
from contextlib import suppress
from typing import cast

from grms.errors import ErrorCode, SiteError
from grms.transport.channels import Pool
from grms.transport.connection import Connection
from grms.transport.ssh import SshTransport
from grms.transport.target import Target

_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
_PATIENCE = 10.0


class AccountTransport(SshTransport):
    """``grms.broker.ports.transport.Transport`` to another account of this host. Thread-safe.

    Raises SiteError(transient=False) when there is no such account.
    """

    def __init__(self, account: str, *, python: str = "python3") -> None:
        self.target = Target(host="localhost", user=account, python=python)
        self._pool = Pool(cast(Connection, _Logins(self.target)))


class _Logins:
    """Opens sessions; has what ``Pool`` uses of a ``Connection``."""

    def __init__(self, target: Target) -> None:
        self.target = target
        try:
            self.account = pwd.getpwnam(target.user)
        except KeyError:
            raise SiteError(
                f"there is no account {target.user!r} on this host",
                code=ErrorCode.CONFIGURATION,
                transient=False,
            ) from None

    def transport(self) -> _Logins:
        """This itself: there is nothing to connect."""
        return self

    def open_session(self, timeout: float) -> Session:  # noqa: ARG002 - paramiko's
        """A session that has started nothing yet."""
        return Session(self.account)

    def close(self) -> None:
        """Nothing is kept but the sessions."""


class Session:
    """One process of the account; has what ``Helper`` uses of a ``paramiko.Channel``."""

    def __init__(self, account: pwd.struct_passwd) -> None:
        self.account = account
        self.closed = False
        self.eof_received = False
        self._timeout = _PATIENCE
        self._process: subprocess.Popen[bytes] | None = None
        self._error = b""

    def exec_command(self, command: str) -> None:
        """Start a shell command as the account. Raises SiteError."""
        try:
            self._process = self._start(["sh", "-c", command])
        except (OSError, subprocess.SubprocessError) as error:
            raise SiteError(
                f"cannot become {self.account.pw_name}: {error}", transient=False
            ) from error

    def _start(self, argv: list[str]) -> subprocess.Popen[bytes]:
        name, pipe = self.account.pw_name, subprocess.PIPE
        root = os.geteuid() == 0
        return subprocess.Popen(
            argv if root else ["sudo", "-n", "-H", "-u", name, "--", *argv],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            bufsize=0,
            cwd="/",
            env=environment(self.account),
            start_new_session=True,
            user=self.account.pw_uid if root else None,
            group=self.account.pw_gid if root else None,
            extra_groups=os.getgrouplist(name, self.account.pw_gid) if root else None,
        )

    def settimeout(self, seconds: float) -> None:
        """How long ``recv`` waits for a byte."""
        self._timeout = seconds

    def gettimeout(self) -> float:
        """See ``settimeout``."""
        return self._timeout

    def sendall(self, data: bytes) -> None:
        """Raises OSError when the other end is gone."""
        process = self._running()
        assert process.stdin
        view = memoryview(data)
        while view:
            view = view[process.stdin.write(view) or 0 :]

    def recv(self, size: int) -> bytes:
        """Some bytes; b"" at the end. Raises TimeoutError."""
        stream = self._running().stdout
        assert stream
        if not select.select([stream], [], [], self._timeout)[0]:
            raise TimeoutError(f"no byte for {self._timeout:.0f} s")
        data = os.read(stream.fileno(), size)
        self.eof_received = self.eof_received or not data
        return data

    def recv_stderr_ready(self) -> bool:
        """True while there is something to read on stderr."""
        stream = self._process.stderr if self._process else None
        if stream is None or stream.closed or not select.select([stream], [], [], 0)[0]:
            return False
        self._error = os.read(stream.fileno(), 65536)
        return bool(self._error)

    def recv_stderr(self, size: int) -> bytes:  # noqa: ARG002 - paramiko's
        """What ``recv_stderr_ready`` found."""
        return self._error

    def close(self) -> None:
        """End the process: it kills what it runs when its input ends."""
        process, self.closed = self._process, True
        if process is None:
            return
        assert process.stdin
        with suppress(OSError):
            process.stdin.close()
        _await_end(process)
        for stream in (process.stdout, process.stderr):
            assert stream
            stream.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self.closed:
            raise OSError("the session is closed")
        return self._process


def _await_end(process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
        time.sleep(0.005)


def environment(account: pwd.struct_passwd) -> dict[str, str]:
    """What a login would set; nothing of the service's own environment."""
    name = account.pw_name
    return {
        "HOME": account.pw_dir,
        "USER": name,
        "LOGNAME": name,
        "SHELL": account.pw_shell,
        "PATH": _PATH,
        "LC_ALL": "C",
    }
