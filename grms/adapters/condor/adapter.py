"""HTCondor: the commands and what their answers mean.

Options of a cluster: ``bin`` (directory of the tools), ``condor_config`` (their configuration
file), ``requirements`` (a ClassAd expression that every job must meet).

HTCondor has no queues: ``Submission.queue`` is not carried out. The project is put in the job's
ClassAd as ``ProjectName``, where the accounting of a pool finds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grms.adapters import answers
from grms.adapters.condor import ads, probe, submitfile
from grms.adapters.condor.ads import ATTRIBUTES, SYSTEM
from grms.broker.ports.batch import (
    Account,
    Command,
    CommandResult,
    NativeStatus,
    Outcome,
    ProbeFacts,
    Submission,
    Traits,
)
from grms.broker.records import Cluster

#: condor_history reads files from the newest record back; those of a busy schedd are large.
_HISTORY_TIMEOUT = 300.0


class Condor:
    """The adapter. Native ids are ``cluster.proc``."""

    name = "condor"
    traits = Traits(
        accounting_delay=30.0,
        can_suspend=True,
        finds_finished=True,
        state_manual="HTCondor Manual 23.9, Job ClassAd Attributes: JobStatus, HoldReasonCode",
    )

    def __init__(self, cluster: Cluster) -> None:
        self._folder = cluster.options.get("bin", "")
        self._requirements = cluster.options.get("requirements", "")
        config = cluster.options.get("condor_config", "")
        self._env = {"CONDOR_CONFIG": config} if config else {}

    def script(self, submission: Submission) -> bytes:
        """Job script; HTCondor gives a job neither HOME nor PATH, so it sets both if missing."""
        return answers.script(submission, *submitfile.PREPARATIONS)

    def submit_command(self, submission: Submission) -> Command:
        """The submit description goes to standard input."""
        text = submitfile.render(submission, self._requirements)
        return self._command("condor_submit", "-terse", "-", stdin=text.encode())

    def parse_submit(self, result: CommandResult) -> str:
        """``8.0 - 8.0``: the first and the last job of what was submitted."""
        return answers.submit_result(SYSTEM, result, submitfile.ACCEPTED, submitfile.FINAL)

    def status_command(self, native_ids: Sequence[str]) -> Command:
        """One call for all jobs, by id: other users' jobs are not carried over."""
        return self._command("condor_q", "-json", "-attributes", ATTRIBUTES, *native_ids)

    def parse_status(self, result: CommandResult) -> Mapping[str, NativeStatus]:
        """The jobs that are in the queue."""
        return {ads.native_id(ad): ads.status(ad) for ad in ads.read(result)}

    def account_command(self, native_ids: Sequence[str]) -> Command:
        """The history; a finished job is there as soon as it leaves the queue."""
        asked = ("-json", "-attributes", ATTRIBUTES, *native_ids)
        return self._command("condor_history", *asked, timeout=_HISTORY_TIMEOUT)

    def parse_account(self, result: CommandResult) -> Mapping[str, Account]:
        """The jobs whose end the history tells."""
        accounts = [ads.account(ad) for ad in ads.read(result)]
        return {account.native_id: account for account in accounts if account}

    def find_commands(self, tags: Sequence[str]) -> Sequence[Command]:
        """Queue and history, for all tags at once."""
        constraint = f"member(GrmsTag, {{{', '.join(map(submitfile.classad, tags))}}})"
        asked = ("-json", "-attributes", ATTRIBUTES, "-constraint", constraint)
        return (
            self._command("condor_q", *asked),
            self._command("condor_history", *asked, timeout=_HISTORY_TIMEOUT),
        )

    def parse_find(self, results: Sequence[CommandResult]) -> Mapping[str, tuple[str, ...]]:
        """Tag to ids, from either."""
        found: dict[str, dict[str, None]] = {}
        for ad in (ad for result in results for ad in ads.read(result)):
            if isinstance(tag := ad.get("GrmsTag"), str):
                found.setdefault(tag, {})[ads.native_id(ad)] = None
        return {tag: tuple(ids) for tag, ids in found.items()}

    def cancel_command(self, native_ids: Sequence[str]) -> Command:
        """Remove from the queue, running or not."""
        return self._command("condor_rm", *native_ids)

    def hold_command(self, native_ids: Sequence[str]) -> Command:
        """Hold. A running job is killed by it and gets no second start."""
        return self._command("condor_hold", *native_ids)

    def release_command(self, native_ids: Sequence[str]) -> Command:
        """Let a held job wait again."""
        return self._command("condor_release", *native_ids)

    def suspend_command(self, native_ids: Sequence[str]) -> Command:
        """Stop the processes in place."""
        return self._command("condor_suspend", *native_ids)

    def resume_command(self, native_ids: Sequence[str]) -> Command:
        """Let the processes go on."""
        return self._command("condor_continue", *native_ids)

    def parse_outcome(
        self, verb: str, native_ids: Sequence[str], result: CommandResult
    ) -> Mapping[str, Outcome]:
        """One line for each id; the exit code is 0 as soon as one of them succeeded."""
        answers.text(result, SYSTEM)
        done = submitfile.DONE[verb]

        def judge(native_id: str, said: str) -> Outcome:
            if f"{native_id} {done}" in said:
                return Outcome(ok=True, message=said)
            if not said:
                raise answers.down(SYSTEM, result)
            return Outcome(ok=False, message=said, gone="not found" in said)

        return answers.outcomes(native_ids, result, judge)

    def probe_commands(self) -> Sequence[Command]:
        """The pool's slots and its schedd."""
        return tuple(self._command(*argv) for argv in probe.COMMANDS)

    def parse_probe(self, results: Sequence[CommandResult]) -> ProbeFacts:
        """Processors and memory of the slots, jobs of the schedd."""
        return probe.facts(results)

    def _command(
        self, name: str, *arguments: str, stdin: bytes = b"", timeout: float = 60.0
    ) -> Command:
        argv = (answers.program(self._folder, name), *arguments)
        return Command(argv, stdin=stdin, timeout=timeout, env=self._env)
