"""The edges of the simulated cluster: an adapter, a transport that fails to order, a stager."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sim_world import EPOCH, World

from grms.broker.layout import Layout
from grms.broker.ports.batch import (
    Account,
    Command,
    CommandResult,
    NativeState,
    NativeStatus,
    Outcome,
    ProbeFacts,
    Submission,
    Traits,
)
from grms.broker.ports.sites import Site
from grms.broker.ports.staging import Moved
from grms.broker.records import Cluster, Exit
from grms.errors import SiteError, StagingError

STATES = {
    "waiting": NativeState.WAITING,
    "held": NativeState.HELD,
    "stuck": NativeState.FAULTY,
    "running": NativeState.RUNNING,
    "suspended": NativeState.SUSPENDED,
}


class SimAdapter:
    """Commands are words for ``SimTransport``; answers are JSON."""

    name = "sim"
    traits = Traits(accounting_delay=5.0)

    def script(self, submission: Submission) -> bytes:
        return b""

    def submit_command(self, submission: Submission) -> Command:
        return Command(("submit", submission.tag, submission.directory))

    def parse_submit(self, result: CommandResult) -> str:
        return str(_answer(result)["id"])

    def status_command(self, native_ids: Sequence[str]) -> Command:
        return Command(("status", *native_ids))

    def parse_status(self, result: CommandResult) -> Mapping[str, NativeStatus]:
        return {
            native_id: NativeStatus(native_id, STATES[word], word, tag=tag)
            for native_id, (word, tag) in _answer(result).items()
        }

    def account_command(self, native_ids: Sequence[str]) -> Command:
        return Command(("account", *native_ids))

    def parse_account(self, result: CommandResult) -> Mapping[str, Account]:
        found = {}
        for native_id, (code, reason, tag, ended) in _answer(result).items():
            exit_ = Exit(code=code, reason=reason)
            at = EPOCH + timedelta(seconds=ended)
            found[native_id] = Account(native_id, exit_, tag, ended_at=at)
        return found

    def find_commands(self, tags: Sequence[str]) -> Sequence[Command]:
        return [Command(("find", *tags))]

    def parse_find(self, results: Sequence[CommandResult]) -> Mapping[str, tuple[str, ...]]:
        return {tag: tuple(ids) for tag, ids in _answer(results[0]).items()}

    def cancel_command(self, native_ids: Sequence[str]) -> Command:
        return Command(("cancel", *native_ids))

    def hold_command(self, native_ids: Sequence[str]) -> Command:
        return Command(("hold", *native_ids))

    def release_command(self, native_ids: Sequence[str]) -> Command:
        return Command(("release", *native_ids))

    def suspend_command(self, native_ids: Sequence[str]) -> Command:
        return Command(("suspend", *native_ids))

    def resume_command(self, native_ids: Sequence[str]) -> Command:
        return Command(("resume", *native_ids))

    def parse_outcome(
        self, verb: str, native_ids: Sequence[str], result: CommandResult
    ) -> Mapping[str, Outcome]:
        given = _answer(result)
        return {i: Outcome(*given[i]) for i in native_ids if i in given}

    def probe_commands(self) -> Sequence[Command]:
        return [Command(("probe",))]

    def parse_probe(self, results: Sequence[CommandResult]) -> ProbeFacts:
        return ProbeFacts()


def _answer(result: CommandResult) -> dict:  # type: ignore[type-arg]
    if result.timed_out:
        raise SiteError("the simulated system did not answer in time")
    if result.exit:
        raise SiteError(result.stderr.decode())
    try:
        return dict(json.loads(result.stdout))
    except ValueError:
        raise SiteError(f"rubbish: {result.stdout!r}") from None


@dataclass
class Faults:
    """What goes wrong: ``once`` maps a verb to faults of its next calls; the rest lasts."""

    once: dict[str, list[str]] = field(default_factory=dict)
    down_until: float = -1.0
    empty_until: float = -1.0

    def take(self, verb: str) -> str:
        waiting = self.once.get(verb)
        return waiting.pop(0) if waiting else ""

    def clear(self) -> None:
        self.once.clear()
        self.down_until = self.empty_until = -1.0


class SimTransport:
    """The way to the world. ``point`` is called around each call: a crash may be there."""

    same_filesystem = False

    def __init__(self, world: World, faults: Faults, point: Callable[[str], None]) -> None:
        self.world = world
        self.faults = faults
        self.point = point

    def run(self, command: Command) -> CommandResult:
        verb = command.argv[0]
        self.point(f"{verb}.before")
        self._reach()
        fault = self.faults.take(verb)
        if fault == "timeout before":
            return CommandResult(-9, timed_out=True)
        answer = getattr(self, f"_{verb}")(command.argv[1:])
        self.point(f"{verb}.after")
        if fault == "lost":
            raise SiteError("the connection was lost")
        if fault == "timeout after":
            return CommandResult(-9, timed_out=True)
        if fault == "rubbish":
            return CommandResult(0, b"{'half an ans")
        if fault == "refusal":
            return CommandResult(1, b"", b"slurm_load_jobs error: Socket timed out")
        return CommandResult(0, json.dumps(answer).encode())

    def run_many(self, commands: Sequence[Command]) -> Sequence[CommandResult]:
        return [self.run(command) for command in commands]

    def _reach(self) -> None:
        if self.world.now < self.faults.down_until:
            raise SiteError("the cluster cannot be reached")

    def _submit(self, words: Sequence[str]) -> object:
        return {"id": self.world.submit(words[0], words[1])}

    def _status(self, words: Sequence[str]) -> object:
        if self.world.now < self.faults.empty_until:
            return {}
        known = [self.world.natives[i] for i in words if i in self.world.natives]
        return {n.id: (n.state, n.tag) for n in known if n.state != "gone"}

    def _account(self, words: Sequence[str]) -> object:
        known = [self.world.natives[i] for i in words if i in self.world.natives]
        return {
            n.id: (n.code, n.reason, n.tag, n.ended)
            for n in known
            if n.account_at is not None and n.account_at <= self.world.now
        }

    def _find(self, words: Sequence[str]) -> object:
        if self.world.now < self.faults.empty_until:
            return {}
        found: dict[str, list[str]] = {}
        for native in self.world.natives.values():
            recorded = native.account_at is not None and native.account_at <= self.world.now
            if native.tag in words and (native.state != "gone" or recorded):
                found.setdefault(native.tag, []).append(native.id)
        return found

    def _each(self, words: Sequence[str], act: Callable[..., bool | None]) -> object:
        outcomes = {}
        for native_id in words:
            native = self.world.natives.get(native_id)
            if native is None or native.state == "gone":
                outcomes[native_id] = (False, "no such job", True)
            elif act(native) is False:
                outcomes[native_id] = (False, f"it is {native.state}", False)
            else:
                outcomes[native_id] = (True, "", False)
        return outcomes

    def _cancel(self, words: Sequence[str]) -> object:
        return self._each(words, self.world.cancel)

    def _hold(self, words: Sequence[str]) -> object:
        return self._each(words, self.world.hold)

    def _release(self, words: Sequence[str]) -> object:
        return self._each(words, self.world.release)

    def _suspend(self, words: Sequence[str]) -> object:
        return self._each(words, self.world.suspend)

    def _resume(self, words: Sequence[str]) -> object:
        return self._each(words, self.world.resume)

    def _probe(self, words: Sequence[str]) -> object:
        return {}

    # -- files --------------------------------------------------------------------------------

    def write(self, files: Mapping[str, bytes], *, mode: int = 0o600, durable: bool = True) -> None:
        self.point("write.before")
        self._reach()
        for path, data in files.items():
            self.world.files.put(path, data, self.world.now, by_broker=True)
        self.point("write.after")

    def read(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        self._reach()
        seen = {p: self.world.files.get(p, self.world.now, by_broker=True) for p in paths}
        return {path: data for path, data in seen.items() if data is not None}

    def sweep(self, directory: str, *, limit: int = 1000) -> Mapping[str, bytes]:
        self._reach()
        found = self.world.files.under(directory, self.world.now, by_broker=True)
        return {Path(path).name: found[path] for path in sorted(found)[:limit]}

    def remove(self, paths: Sequence[str]) -> None:
        self.point("remove.before")
        self._reach()
        for path in paths:
            self.world.files.remove(path, self.world.now)
        self.point("remove.after")

    def make_directories(self, paths: Sequence[str], *, mode: int = 0o700) -> None:
        self._reach()

    def put(self, source: Path, target: str, *, mode: int | None = None) -> None:
        self.write({target: source.read_bytes()})

    def get(self, source: str, target: Path) -> None:
        self._reach()
        target.write_bytes(b"")

    def close(self) -> None:
        pass


class SimStager:
    """Files outside: the URLs that were brought and delivered."""

    def __init__(self) -> None:
        self.delivered: list[str] = []
        self.failing = 0

    def check(self, url: str, *, writing: bool) -> None:
        pass

    def _maybe_fail(self, url: str) -> None:
        if self.failing > 0:
            self.failing -= 1
            raise StagingError(f"{url}: the server is busy")

    def fetch(self, url: str, target: Path, *, directory: bool = False) -> Moved:
        self._maybe_fail(url)
        target.write_bytes(b"in")
        return Moved(2)

    def deliver(self, source: Path, url: str, *, directory: bool = False) -> Moved:
        self._maybe_fail(url)
        self.delivered.append(url)
        return Moved(0)

    def size(self, url: str) -> int | None:
        return None


class SimSites:
    """Hands out the one simulated site."""

    def __init__(self, transport: SimTransport) -> None:
        self._transport = transport

    def site(self, cluster: Cluster, account: str) -> Site:
        return Site(
            cluster, account, SimAdapter(), self._transport, Layout(cluster.workdir), "/w/wrapper"
        )
