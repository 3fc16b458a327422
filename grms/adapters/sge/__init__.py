"""The SGE adapter. Proved on Son of Grid Engine 8.1.9 of Debian 12.

Options of the cluster: see ``commands.Commands``; and ``timezone`` (IANA name of the cluster's
zone; SGE's times name none; the broker's own if not given).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grms.adapters.sge import answers
from grms.adapters.sge.commands import Commands
from grms.adapters.sge.states import MANUAL
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


class Sge:
    """Jobs of one SGE cell; see ``BatchAdapter``. The tag is the job's name.

    A job that is deleted before it starts leaves no accounting record: ``qstat -s z`` alone
    lists it for a while.
    """

    name = "sge"
    traits = Traits(
        accounting_delay=60.0, can_suspend=True, finds_finished=True, state_manual=MANUAL
    )

    def __init__(self, cluster: Cluster) -> None:
        self._commands = Commands(cluster)
        self._times = answers.Times(cluster.options.get("timezone", ""))

    def script(self, submission: Submission) -> bytes:
        """A script that runs the wrapper."""
        return self._commands.script(submission)

    def submit_command(self, submission: Submission) -> Command:
        """``qsub``."""
        return self._commands.submit(submission)

    def parse_submit(self, result: CommandResult) -> str:
        """The job's number."""
        return answers.native_id(result)

    def status_command(self, native_ids: Sequence[str]) -> Command:  # noqa: ARG002 - asks for all
        """``qstat`` for all jobs of the account."""
        return self._commands.status()

    def parse_status(self, result: CommandResult) -> Mapping[str, NativeStatus]:
        """All jobs of the account that the qmaster remembers."""
        return answers.statuses(result, self._times)

    def account_command(self, native_ids: Sequence[str]) -> Command:
        """``qacct`` for each."""
        return self._commands.account(native_ids)

    def parse_account(self, result: CommandResult) -> Mapping[str, Account]:
        """Those that have ended."""
        return answers.accounts(result, self._times)

    def find_commands(self, tags: Sequence[str]) -> Sequence[Command]:
        """``qstat`` and ``qacct`` by name."""
        return self._commands.find(tags)

    def parse_find(self, results: Sequence[CommandResult]) -> Mapping[str, tuple[str, ...]]:
        """tag -> ids."""
        return answers.found(results)

    def cancel_command(self, native_ids: Sequence[str]) -> Command:
        """``qdel``; the wrapper is told first and has the queue's ``notify`` time."""
        return self._commands.verbs("cancel", native_ids)

    def hold_command(self, native_ids: Sequence[str]) -> Command:
        """``qhold``; a running job goes on."""
        return self._commands.verbs("hold", native_ids)

    def release_command(self, native_ids: Sequence[str]) -> Command:
        """``qrls``."""
        return self._commands.verbs("release", native_ids)

    def suspend_command(self, native_ids: Sequence[str]) -> Command:
        """``qmod -sj``; the wrapper is told first and stops the job at once."""
        return self._commands.verbs("suspend", native_ids)

    def resume_command(self, native_ids: Sequence[str]) -> Command:
        """``qmod -usj``."""
        return self._commands.verbs("resume", native_ids)

    def parse_outcome(
        self, verb: str, native_ids: Sequence[str], result: CommandResult
    ) -> Mapping[str, Outcome]:
        """One outcome for each id."""
        return answers.outcomes(verb, native_ids, result)

    def probe_commands(self) -> Sequence[Command]:
        """One call tells all."""
        return self._commands.probe()

    def parse_probe(self, results: Sequence[CommandResult]) -> ProbeFacts:
        """What it tells."""
        return answers.facts(results)
