"""PBS: the commands and what their answers mean.

Options of a cluster:

``bin``      directory of qsub, qstat ...; SGE and Slurm bring programs of the same names, so
             naming it is wise; the probe tells whose they are.
``dialect``  ``openpbs`` (the default; also PBS Professional) or ``torque``.
``suspend``  ``yes`` where the broker's account is an operator of PBS: ``qsig -s suspend`` is
             refused to everybody else.
``history``  ``yes`` where the server keeps finished jobs long enough to find a submission whose
             answer was lost (OpenPBS: ``job_history_enable``, off unless set). Without it only
             the wrapper's own news tell how a job ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grms.adapters import answers
from grms.adapters.pbs import jobs, listing, probe, qsub
from grms.adapters.pbs.listing import SYSTEM
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
from grms.errors import ConfigError

DIALECTS = ("openpbs", "torque")

#: qstat's exit codes for "some of these jobs are unknown" and "have finished": the rest counts.
_TOLERATED = (0, 35, 153)

#: qselect prints bare ids: the loop puts each tag before them. It stops where qselect fails.
_FIND = (
    'select=$1; shift; for tag; do ids=$("$select" $X -N "$tag") || exit; echo "$tag" $ids; done'
)


class Pbs:
    """The adapter. Native ids are ``number.server``."""

    name = "pbs"

    def __init__(self, cluster: Cluster) -> None:
        options = cluster.options
        self._folder = options.get("bin", "")
        dialect = options.get("dialect", DIALECTS[0])
        if dialect not in DIALECTS:
            raise ConfigError(
                f"cluster {cluster.name}: option dialect = {dialect!r} is none of "
                f"{', '.join(DIALECTS)}"
            )
        self._torque = dialect == "torque"
        self.traits = Traits(
            accounting_delay=30.0,
            can_suspend=options.get("suspend", "no") == "yes",
            finds_finished=options.get("history", "no") == "yes",
            state_manual="OpenPBS 23.06 Reference Guide, Job States; TORQUE 6.1 qstat(1)",
        )

    def script(self, submission: Submission) -> bytes:
        """Job script. PBS starts it in the home directory with the account's environment."""
        return answers.script(submission)

    def submit_command(self, submission: Submission) -> Command:
        """The script is named, not piped: Slurm's wrapper of the same name reads no stdin."""
        arguments = qsub.arguments(submission, self._torque)
        return self._command("qsub", *arguments, cwd=submission.directory)

    def parse_submit(self, result: CommandResult) -> str:
        """``3.server``."""
        return answers.submit_result(SYSTEM, result, qsub.ACCEPTED, qsub.FINAL)

    def status_command(self, native_ids: Sequence[str]) -> Command:
        """All jobs in one call, with the finished ones where the server keeps them."""
        form = ("-f", "-x") if self._torque else ("-x", "-f", "-F", "json")
        return self._command("qstat", *form, *native_ids)

    def parse_status(self, result: CommandResult) -> Mapping[str, NativeStatus]:
        """The jobs that PBS knows; an unknown id costs only itself."""
        return {key: jobs.status(key, job) for key, job in self._read(result).items()}

    def account_command(self, native_ids: Sequence[str]) -> Command:
        """The history is part of the same answer."""
        return self.status_command(native_ids)

    def parse_account(self, result: CommandResult) -> Mapping[str, Account]:
        """The jobs that have ended."""
        found = {key: jobs.account(key, job) for key, job in self._read(result).items()}
        return {key: account for key, account in found.items() if account}

    def find_commands(self, tags: Sequence[str]) -> Sequence[Command]:
        """One round trip; qselect knows names, with -x (OpenPBS) also of finished jobs."""
        select = answers.program(self._folder, "qselect")
        history = "" if self._torque else "-x"
        return (Command(("/bin/sh", "-c", _FIND.replace("$X", history), "sh", select, *tags)),)

    def parse_find(self, results: Sequence[CommandResult]) -> Mapping[str, tuple[str, ...]]:
        """A line for each tag: the tag, then its ids."""
        found: dict[str, tuple[str, ...]] = {}
        for result in results:
            answer = answers.text(result, SYSTEM)
            if result.exit != 0:
                raise answers.down(SYSTEM, result)
            if answer and not answer.endswith("\n"):
                raise answers.rubbish(SYSTEM, "the answer is cut short", answer)
            for tag, *ids in map(str.split, filter(str.strip, answer.splitlines())):
                if not all(qsub.ID.fullmatch(native_id) for native_id in ids):
                    raise answers.rubbish(SYSTEM, "qselect printed no job ids", answer)
                if ids:
                    found[tag] = tuple(dict.fromkeys((*found.get(tag, ()), *ids)))
        return found

    def cancel_command(self, native_ids: Sequence[str]) -> Command:
        """Delete, running or not."""
        return self._command("qdel", *native_ids)

    def hold_command(self, native_ids: Sequence[str]) -> Command:
        """A user's hold. A running job is only marked by it."""
        return self._command("qhold", *native_ids)

    def release_command(self, native_ids: Sequence[str]) -> Command:
        """End the user's hold."""
        return self._command("qrls", *native_ids)

    def suspend_command(self, native_ids: Sequence[str]) -> Command:
        """Stop the processes; for operators of PBS only."""
        return self._command("qsig", "-s", "suspend", *native_ids)

    def resume_command(self, native_ids: Sequence[str]) -> Command:
        """Let the processes go on; for operators of PBS only."""
        return self._command("qsig", "-s", "resume", *native_ids)

    def parse_outcome(
        self, verb: str, native_ids: Sequence[str], result: CommandResult
    ) -> Mapping[str, Outcome]:
        """PBS speaks only of ids that it did not obey; a word about none of them is a failure."""
        answers.text(result, SYSTEM)

        def judge(_: str, said: str) -> Outcome:
            return Outcome(ok=not said, message=said, gone=bool(qsub.GONE.search(said)))

        found = answers.outcomes(native_ids, result, judge)
        if result.exit != 0 and all(outcome.ok for outcome in found.values()):
            raise answers.down(f"{SYSTEM}, asked to {verb},", result)
        return found

    def probe_commands(self) -> Sequence[Command]:
        """Whose qstat this is comes first."""
        return tuple(self._command(*argv) for argv in probe.commands(self._torque))

    def parse_probe(self, results: Sequence[CommandResult]) -> ProbeFacts:
        """Refuses programs that are not PBS's, and the other dialect."""
        return probe.facts(results, self._torque)

    def _read(self, result: CommandResult) -> dict[str, listing.Attributes]:
        answer = answers.text(result, SYSTEM)
        if result.exit not in _TOLERATED:
            raise answers.down(SYSTEM, result)
        if not answer.strip() and (result.exit == 0 or qsub.UNKNOWN_ID not in _said(result)):
            raise answers.down(SYSTEM, result)
        return listing.read(answer)

    def _command(self, name: str, *arguments: str, cwd: str = "") -> Command:
        return Command((answers.program(self._folder, name), *arguments), cwd=cwd)


def _said(result: CommandResult) -> str:
    return result.stderr.decode("utf-8", "replace")
