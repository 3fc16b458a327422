"""The numbered steps of the broker: each durable write and each call outside, before and after.

They are told by wrapping the store and the transports of an engine, so that the product itself
carries nothing for tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from grms.broker.edges import Edges
from grms.broker.ports.batch import Command
from grms.broker.ports.sites import Site
from grms.broker.records import Change, Cluster, EventKind

#: What is written durably, in the order of a job's life.
WRITES = (
    "write claim",
    "write lease",
    "write TASK_RESOURCE_DONE",
    "write TASK_STAGE_IN_DONE",
    "write TASK_SUBMIT",
    "write TASK_EXEC_PENDING",
    "write TASK_EXEC_ACTIVE",
    "write TASK_EXEC_DONE",
    "write TASK_STAGE_OUT",
    "write TASK_DONE",
    "write TASK_FAILED",
)
#: What is called on a cluster of the fork kind.
CALLS = (
    "call make_directories",
    "call write spec.json",
    "call launch",
    "call remove inbox",
    "call remove job",
)
#: The same for wishes.
CANCELING = ("call write fence", "call signal KILL", "write TASK_CANCEL_DONE")
SUSPENDING = ("call signal STOP", "write TASK_EXEC")
RESUMING = ("call signal CONT",)
POINTS = (*WRITES, *CALLS, *CANCELING, *SUSPENDING, *RESUMING)

Tell = Callable[[str], None]


def pointed(edges: Edges, tell: Tell) -> Edges:
    """The same edges; ``tell`` hears of every point before and after it is passed."""
    store: Any = _Pointed(edges.store, tell, _of_store)
    return replace(edges, store=store, sites=_Sites(edges.sites, tell))


def _of_store(method: str, args: Sequence[Any]) -> list[str]:
    if method == "apply":
        changes: Sequence[Change] = args[0]
        return list(dict.fromkeys(name for change in changes for name in _written(change)))
    return [f"write {method}"] if method in ("claim", "lease") else []


def _written(change: Change) -> list[str]:
    """The steps that one change records; several where several happened at once."""
    steps = [e.data["status"] for e in change.events if e.kind is EventKind.STATUS]
    return [f"write {step}" for step in steps or [change.job.status.name]]


def _of_transport(method: str, args: Sequence[Any]) -> list[str]:
    if method == "run":
        return [_verb(args[0])]
    if method == "run_many":
        return list(dict.fromkeys(_verb(command) for command in args[0]))
    if method == "write":
        return [f"call write {PurePosixPath(next(iter(args[0]), '')).name}"]
    if method == "remove" and args[0]:
        return ["call remove inbox" if "/inbox/" in args[0][0] else "call remove job"]
    return ["call make_directories"] if method == "make_directories" else []


def _verb(command: Command) -> str:
    """The wrapper's verb, with the signal's name; of other systems the command."""
    words = list(command.argv)
    if "-S" not in words:
        return f"call {PurePosixPath(words[0]).name}"
    verb, *rest = words[words.index("-S") + 2 :]
    return f"call {verb} {rest[1]}" if verb == "signal" else f"call {verb}"


class _Pointed:
    """Passes everything on, and tells the points."""

    def __init__(
        self, inner: Any, tell: Tell, names: Callable[[str, Sequence[Any]], list[str]]
    ) -> None:
        self._inner = inner
        self._tell = tell
        self._names = names

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._inner, method)
        if not callable(found):
            return found

        def call(*args: Any, **more: Any) -> Any:
            points = self._names(method, args)
            for point in points:
                self._tell(f"{point} before")
            result = found(*args, **more)
            for point in points:
                self._tell(f"{point} after")
            return result

        return call


class _Sites:
    """Sites with pointed transports."""

    def __init__(self, sites: Any, tell: Tell) -> None:
        self._sites = sites
        self._tell = tell

    def site(self, cluster: Cluster, account: str) -> Site:
        site: Site = self._sites.site(cluster, account)
        transport: Any = _Pointed(site.transport, self._tell, _of_transport)
        return replace(site, transport=transport)
