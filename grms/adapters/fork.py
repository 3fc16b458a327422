"""The fork adapter: jobs are processes of the host itself, under the wrapper alone, no queue.

Its commands are verbs of the program beside the job, see ``grms.jobside``. A native id is
``PID.START.BOOT.TAG``: process id, its start in clock ticks since boot, the first 8 characters of
the kernel's boot id, and the tag; so neither a reused pid nor a reboot confuses two jobs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from grms.adapters import base
from grms.broker.layout import Layout
from grms.broker.ports.batch import (
    Account,
    Command,
    CommandResult,
    Kept,
    NativeState,
    NativeStatus,
    Outcome,
    ProbeFacts,
    Submission,
    Traits,
)
from grms.broker.records import Cluster, Exit, Usage
from grms.errors import ErrorCode, SiteError

#: The words of the verb ``status``.
STATES = {
    "held": NativeState.HELD,
    "running": NativeState.RUNNING,
    "suspended": NativeState.SUSPENDED,
    "ended": NativeState.ENDED,
    "orphaned": NativeState.FAULTY,
}


class Fork:
    """Runs jobs as processes of the cluster's host. Options: ``python``, ``wrapper``."""

    name = "fork"
    together = 64
    traits = Traits(
        accounting_delay=5.0,
        absence_delay=3.0,  # /proc and the tags are the truth at once; the rest is patience
        can_suspend=True,
        finds_finished=True,
        absence_is_death=True,  # the status verb looks for every process of the job on the host
        dies_with_host=True,
        state_manual="grms.jobside.wrappers",
    )

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.tags = Layout(cluster.workdir).tags

    def _command(self, verb: str, *words: str) -> Command:
        python = self.cluster.options.get(base.PYTHON, "python3")
        program = self.cluster.options.get(base.WRAPPER)
        if not program:
            raise SiteError(
                f"cluster {self.cluster.name}: the option {base.WRAPPER!r} is not set:"
                " it names the wrapper program on the cluster",
                code=ErrorCode.CONFIGURATION,
                transient=False,
            )
        return Command((python, "-I", "-S", program, verb, *words))

    def script(self, submission: Submission) -> bytes:  # noqa: ARG002 - the port's
        """No script: the wrapper is started as it is."""
        return b""

    def submit_command(self, submission: Submission) -> Command:
        """Start the wrapper, or with ``hold`` start it waiting."""
        verb = "launch-held" if submission.hold else "launch"
        return self._command(verb, submission.directory)

    def parse_submit(self, result: CommandResult) -> str:
        """The native id of the wrapper, which has left its tag by now."""
        (answer,) = _answers("launch", result, count=1)
        launched = _launched(answer)
        if isinstance(launched, SiteError):
            raise launched
        return launched

    def submit_together_command(self, submissions: Sequence[Submission]) -> Command:
        """Start many wrappers from one process: that costs a tenth of a process for each."""
        places = [submission.directory for submission in submissions]
        line = json.dumps(places).encode() + b"\n"
        return replace(
            self._command("launch", *places), kept=Kept(self._command("serve").argv, line)
        )

    def parse_together(
        self, submissions: Sequence[Submission], result: CommandResult
    ) -> Sequence[str | SiteError]:
        """One native id, or the reason why there is none, for each."""
        try:
            answers = _answers("launch", result, count=len(submissions))
        except SiteError as error:
            return [error] * len(submissions)
        return [_launched(answer) for answer in answers]

    def status_command(self, native_ids: Sequence[str]) -> Command:
        """One call for all ids."""
        return self._command("status", self.tags, *native_ids)

    def parse_status(self, result: CommandResult) -> Mapping[str, NativeStatus]:
        """Living wrappers, and dead ones that left exit evidence; others are absent."""
        return {status.native_id: status for status in map(_status, _statuses(result))}

    def account_command(self, native_ids: Sequence[str]) -> Command:
        """The exit evidence is the accounting."""
        return self.status_command(native_ids)

    def parse_account(self, result: CommandResult) -> Mapping[str, Account]:
        """The records of those that have ended."""
        ended = [item for item in _statuses(result) if item.get("exit")]
        return {account.native_id: account for account in map(_account, ended)}

    def find_commands(self, tags: Sequence[str]) -> Sequence[Command]:
        """Tag files and, where one is missing, the environments of living processes."""
        return [self._command("find", self.tags, *tags)]

    def parse_find(self, results: Sequence[CommandResult]) -> Mapping[str, tuple[str, ...]]:
        """tag -> native ids."""
        found: dict[str, tuple[str, ...]] = {}
        for result in results:
            for item in _answers("find", result):
                ids = item.get("ids")
                if not isinstance(ids, list) or "tag" not in item:
                    raise base.rubbish("find", result)
                found[str(item["tag"])] = tuple(str(identity) for identity in ids)
        return found

    def _signal(self, name: str, native_ids: Sequence[str]) -> Command:
        return self._command("signal", self.tags, name, *native_ids)

    def cancel_command(self, native_ids: Sequence[str]) -> Command:
        """TERM, then KILL after the job's grace time, to all its processes."""
        return self._signal("KILL", native_ids)

    def hold_command(self, native_ids: Sequence[str]) -> Command:
        """Only a job that was submitted held and not released is held: there is no queue."""
        return self._signal("HOLD", native_ids)

    def release_command(self, native_ids: Sequence[str]) -> Command:
        """Let a held wrapper start its job."""
        return self._signal("CONT", native_ids)

    def suspend_command(self, native_ids: Sequence[str]) -> Command:
        """Stop all processes of the job; its wall clock limit stops with it."""
        return self._signal("STOP", native_ids)

    def resume_command(self, native_ids: Sequence[str]) -> Command:
        """Let them go on."""
        return self._signal("CONT", native_ids)

    def parse_outcome(
        self, verb: str, native_ids: Sequence[str], result: CommandResult
    ) -> Mapping[str, Outcome]:
        """What became of the signal, for each id."""
        given = {str(item.get("id")): item for item in _answers(verb, result)}
        if missing := [identity for identity in native_ids if identity not in given]:
            raise base.rubbish(f"{verb} of {', '.join(missing)}", result)
        return {identity: _outcome(given[identity]) for identity in native_ids}

    def probe_commands(self) -> Sequence[Command]:
        """One call tells all."""
        return [self._command("probe", self.cluster.workdir)]

    def parse_probe(self, results: Sequence[CommandResult]) -> ProbeFacts:
        """Processors without those that the load average says are busy."""
        facts = _document("probe", results[0])
        if not isinstance(facts, dict):
            raise base.rubbish("probe", results[0])
        cpus, load = _number(facts.get("cpus")), _number(facts.get("load"))
        return ProbeFacts(
            version=f"Python {facts.get('python', '')}",
            total_cpus=_whole(facts.get("cpus")),
            free_cpus=None if cpus is None or load is None else max(0, round(cpus - load)),
            memory=_whole(facts.get("memory")),
            free_memory=_whole(facts.get("memory_free")),
        )


def _document(verb: str, result: CommandResult) -> Any:
    what = f"the wrapper's {verb}"
    if error := base.plain_result_error(what, result):
        raise error
    if result.exit != 0:
        raise SiteError(f"{what} failed: {base.words(result)}", code=ErrorCode.BATCH_SYSTEM_DOWN)
    try:
        return json.loads(result.stdout)["answers"]
    except (ValueError, KeyError, TypeError):
        raise base.rubbish(what, result) from None


def _answers(verb: str, result: CommandResult, count: int | None = None) -> list[dict[str, Any]]:
    answers = _document(verb, result)
    if not isinstance(answers, list) or not all(isinstance(item, dict) for item in answers):
        raise base.rubbish(f"the wrapper's {verb}", result)
    if count is not None and len(answers) != count:
        raise base.rubbish(f"the wrapper's {verb}", result)
    return answers


def _launched(answer: dict[str, Any]) -> str | SiteError:
    if isinstance(answer.get("native_id"), str):
        return str(answer["native_id"])
    return SiteError(
        f"the job's wrapper could not start: {answer.get('error', 'no reason given')}",
        code=ErrorCode.REFUSED_BY_BATCH_SYSTEM,
        detail=str(answer.get("log", "")),
    )


def _statuses(result: CommandResult) -> list[dict[str, Any]]:
    answers = _answers("status", result)
    if not all(isinstance(item.get("id"), str) for item in answers):
        raise base.rubbish("the wrapper's status", result)
    return answers


def _status(item: dict[str, Any]) -> NativeStatus:
    word = str(item.get("state", ""))
    ended = word == "ended"
    return NativeStatus(
        native_id=item["id"],
        state=STATES.get(word, NativeState.UNKNOWN),
        word=word,
        reason=str(item.get("reason", "")),
        tag=str(item.get("tag", "")),
        exit=_exit(item) if ended else None,
        usage=_usage(item) if ended else None,
        started_at=_time(item.get("started")),
        ended_at=_time(item.get("ended")),
    )


def _account(item: dict[str, Any]) -> Account:
    return Account(
        native_id=item["id"],
        exit=_exit(item),
        tag=str(item.get("tag", "")),
        usage=_usage(item),
        started_at=_time(item.get("started")),
        ended_at=_time(item.get("ended")),
        raw=json.dumps(item, sort_keys=True),
    )


def _exit(item: dict[str, Any]) -> Exit:
    given = item.get("exit")
    facts = given if isinstance(given, dict) else {}
    return Exit(
        code=_whole(facts.get("code")),
        signal=_whole(facts.get("signal")),
        reason=str(facts.get("reason", "")),
        limit=str(facts.get("limit", "")),
        checkpointed=item.get("checkpointed") is True,
    )


def _usage(item: dict[str, Any]) -> Usage | None:
    facts = item.get("usage")
    if not isinstance(facts, dict):
        return None
    try:
        return Usage(float(facts["wall"]), float(facts["cpu"]), int(facts["max_rss"]))
    except (KeyError, TypeError, ValueError):
        return None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) else None


def _time(value: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(value, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _outcome(item: dict[str, Any]) -> Outcome:
    ok = item.get("ok") is True
    return Outcome(ok, str(item.get("message", "")), gone=item.get("gone") is True)
