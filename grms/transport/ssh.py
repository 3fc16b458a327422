"""The transport over SSH: everything is done by helpers over one kept connection."""

from __future__ import annotations

import base64
import errno
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from grms.broker.ports.batch import Command, CommandResult
from grms.errors import ErrorCode, Fault, SiteError, StagingError
from grms.jobside import trees
from grms.jobside.helper import PARALLEL
from grms.transport.channels import QUIET, CutError, Helper, Pool
from grms.transport.connection import Connection
from grms.transport.target import Target

#: Seconds on top of a command's own timeout before its session is given up.
_GRACE = 30.0
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)

_T = TypeVar("_T")

_pools: WeakValueDictionary[Target, Pool] = WeakValueDictionary()
_pools_lock = threading.Lock()


def shared_pool(target: Target) -> Pool:
    """The pool of this host and account: however many transports use it, one connection."""
    with _pools_lock:
        pool = _pools.get(target)
        if pool is None:
            pool = _pools[target] = Pool(Connection(target))
        return pool


class SshTransport:
    """``grms.broker.ports.transport.Transport`` over SSH. Thread-safe.

    What can be done twice without harm is done again, once, when a kept session turns out to be
    dead; commands are not: there SiteError means "it may or may not have run".
    """

    same_filesystem = False

    def __init__(self, target: Target) -> None:
        self.target = target
        self._pool = shared_pool(target)

    def run(self, command: Command) -> CommandResult:
        """See the port."""
        return self.run_many([command])[0]

    def run_many(self, commands: Sequence[Command]) -> Sequence[CommandResult]:
        """See the port. One round trip; a few of the commands run at once."""
        if not commands:
            return []
        rounds = -(-len(commands) // PARALLEL)
        patience = rounds * max(command.timeout for command in commands) + _GRACE
        request = {"op": "run", "commands": [_plain(command) for command in commands]}
        try:
            with self._pool.helper() as helper:
                answers = self._ask(helper, request, patience)
        except CutError as error:
            raise SiteError(
                f"{error.message}; whether {commands[0].argv[0]!r} was carried out is not known",
                detail=error.detail,
            ) from error
        return [_result(answer) for answer in answers]

    def write(self, files: Mapping[str, bytes], *, mode: int = 0o600, durable: bool = True) -> None:
        """See the port."""
        contents = {path: _b64(content) for path, content in files.items()}
        self._again({"op": "write", "files": contents, "mode": mode, "durable": durable})

    def read(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        """See the port."""
        return _contents(self._again({"op": "read", "paths": list(paths)}))

    def sweep(self, directory: str, *, limit: int = 1000) -> Mapping[str, bytes]:
        """See the port."""
        return _contents(self._again({"op": "sweep", "directory": directory, "limit": limit}))

    def remove(self, paths: Sequence[str]) -> None:
        """See the port."""
        self._again({"op": "remove", "paths": list(paths)})

    def make_directories(self, paths: Sequence[str], *, mode: int = 0o700) -> None:
        """See the port."""
        self._again({"op": "mkdir", "paths": list(paths), "mode": mode})

    def put(self, source: Path, target: str, *, mode: int | None = None) -> None:
        """See the port. One stream: the other side compares SHA-256 and size before the rename."""
        root = trees.raw(str(source))
        listing = self._local(lambda: trees.entries(root), source)
        with self._pool.helper() as helper:
            try:
                trees.write_json(helper.send, {"op": "put", "target": target, "mode": mode})
                self._local(lambda: trees.send_tree(root, listing, helper.send), source)
            except CutError:
                # The other side may have said why before it hung up.
                self._answer(helper)
                raise
            self._answer(helper)

    def get(self, source: str, target: Path) -> None:
        """See the port. One stream: SHA-256 and size are compared before the rename."""
        with self._pool.helper() as helper:
            try:
                helper.ask({"op": "get", "source": source})
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR):
                    raise StagingError(
                        f"there is no {source} on {self.target}",
                        code=ErrorCode.FILE_NOT_FOUND,
                        fault=Fault.USER,
                        transient=False,
                    ) from error
                raise self._mistake(error) from error
            except trees.RefusedError as error:
                raise self._refused(error) from error
            self._local(lambda: trees.receive_tree(trees.raw(str(target)), helper.read), target)

    def close(self) -> None:
        """See the port. The connection is shared: others of this host and account open it again."""
        self._pool.close()
        self._pool.connection.close()

    def _again(self, request: Mapping[str, Any]) -> Any:
        try:
            with self._pool.helper() as helper:
                return self._ask(helper, request, QUIET)
        except CutError:
            with self._pool.helper(fresh=True) as helper:
                return self._ask(helper, request, QUIET)

    def _ask(self, helper: Helper, request: Mapping[str, Any], patience: float) -> Any:
        try:
            return helper.ask(request, patience=patience)
        except OSError as error:
            raise self._mistake(error) from error

    def _answer(self, helper: Helper) -> None:
        try:
            helper.answer()
        except OSError as error:
            raise self._mistake(error) from error
        except trees.RefusedError as error:
            raise self._refused(error) from error

    def _local(self, act: Callable[[], _T], path: Path) -> _T:
        try:
            return act()
        except trees.RefusedError as error:
            raise self._refused(error) from error
        except (OSError, trees.BrokenError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StagingError(f"{path}: {reason}", **_kind(error)) from error

    def _mistake(self, error: OSError) -> SiteError:
        return SiteError(f"{self.target}: {error.strerror}", **_kind(error))

    def _refused(self, error: Exception) -> StagingError:
        return StagingError(
            str(error), code=ErrorCode.FILE_NOT_ALLOWED, fault=Fault.USER, transient=False
        )


def _kind(error: Exception) -> dict[str, Any]:
    number = getattr(error, "errno", None)
    if number in _FULL:
        return {"code": ErrorCode.NO_SPACE, "transient": True}
    if number in _FORBIDDEN:
        return {"code": ErrorCode.FILE_NOT_ALLOWED, "transient": False}
    return {"code": ErrorCode.TRANSFER_FAILED, "transient": number != errno.ENOENT}


def _plain(command: Command) -> dict[str, Any]:
    return {
        "argv": list(command.argv),
        "stdin": _b64(command.stdin),
        "timeout": command.timeout,
        "cwd": command.cwd,
        "env": dict(command.env),
    }


def _result(answer: Mapping[str, Any]) -> CommandResult:
    return CommandResult(
        exit=answer["exit"],
        stdout=base64.b64decode(answer["out"]),
        stderr=base64.b64decode(answer["err"]),
        timed_out=answer["timed_out"],
    )


def _contents(answer: Mapping[str, str]) -> dict[str, bytes]:
    return {name: base64.b64decode(content) for name, content in answer.items()}


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode()
