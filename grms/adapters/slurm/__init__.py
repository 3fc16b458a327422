"""The Slurm adapter. Proved on Slurm 22.05.8 of Debian 12; needs 20.02 or newer (``squeue --me``).

Options of the cluster: ``bin`` (directory of the commands), ``operator=yes`` (the account is a
Slurm operator and may suspend), ``accounting=no`` (the site runs no slurmdbd).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grms.adapters.slurm import answers
from grms.adapters.slurm.commands import Commands
from grms.adapters.slurm.states import MANUAL
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


class Slurm:
    """Jobs of one Slurm cluster; see ``BatchAdapter``. The tag is the job's name and comment."""

    name = "slurm"

    def __init__(self, cluster: Cluster) -> None:
        self._commands = Commands(cluster)
        self._accounting = cluster.options.get("accounting", "yes") != "no"
        self.traits = Traits(
            accounting_delay=60.0,
            can_suspend=cluster.options.get("operator") == "yes",
            finds_finished=self._accounting,
            state_manual=MANUAL,
        )

    def script(self, submission: Submission) -> bytes:
        """A script that becomes the wrapper."""
        return self._commands.script(submission)

    def submit_command(self, submission: Submission) -> Command:
        """``sbatch``."""
        return self._commands.submit(submission)

    def parse_submit(self, result: CommandResult) -> str:
        """The job's id."""
        return answers.native_id(result)

    def status_command(self, native_ids: Sequence[str]) -> Command:  # noqa: ARG002 - asks for all
        """``squeue`` for all jobs of the account: an unknown id in a list would be an error."""
        return self._commands.status()

    def parse_status(self, result: CommandResult) -> Mapping[str, NativeStatus]:
        """All jobs of the account that the controller remembers."""
        return answers.statuses(result)

    def account_command(self, native_ids: Sequence[str]) -> Command:
        """``scontrol`` and ``sacct``."""
        return self._commands.account(native_ids)

    def parse_account(self, result: CommandResult) -> Mapping[str, Account]:
        """Those that have ended."""
        return answers.accounts(result)

    def find_commands(self, tags: Sequence[str]) -> Sequence[Command]:
        """``squeue`` and ``sacct`` by name; without accounting ``squeue`` alone."""
        commands = self._commands.find(tags)
        return commands if self._accounting else commands[:1]

    def parse_find(self, results: Sequence[CommandResult]) -> Mapping[str, tuple[str, ...]]:
        """tag -> ids."""
        return answers.found(results)

    def cancel_command(self, native_ids: Sequence[str]) -> Command:
        """``scancel``."""
        return self._commands.verbs("cancel", native_ids)

    def hold_command(self, native_ids: Sequence[str]) -> Command:
        """``scontrol uhold``; a running job goes on."""
        return self._commands.verbs("hold", native_ids)

    def release_command(self, native_ids: Sequence[str]) -> Command:
        """``scontrol release``."""
        return self._commands.verbs("release", native_ids)

    def suspend_command(self, native_ids: Sequence[str]) -> Command:
        """``scontrol suspend``, for operators."""
        return self._commands.verbs("suspend", native_ids)

    def resume_command(self, native_ids: Sequence[str]) -> Command:
        """``scontrol resume``, for operators."""
        return self._commands.verbs("resume", native_ids)

    def parse_outcome(
        self, verb: str, native_ids: Sequence[str], result: CommandResult
    ) -> Mapping[str, Outcome]:
        """One outcome for each id."""
        return answers.outcomes(verb, native_ids, result)

    def probe_commands(self) -> Sequence[Command]:
        """Version, nodes, partitions, jobs."""
        return self._commands.probe()

    def parse_probe(self, results: Sequence[CommandResult]) -> ProbeFacts:
        """What they tell."""
        return answers.facts(results)
