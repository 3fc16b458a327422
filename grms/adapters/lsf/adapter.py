"""LSF: the commands and what their answers mean.

Options of a cluster:

``bin``          directory of bsub, bjobs ...
``dialect``      ``lsf`` (the default) or ``openlava``. OpenLava reads ``-rn`` as ``-r -n``, which
                 would make the job restart by itself, and its bjobs knows fewer columns.
``memory_unit``  what ``bsub -M`` counts in, LSF_UNIT_FOR_LIMITS of the site: ``KB`` (the
                 default), ``MB`` or ``GB``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from grms.adapters import answers
from grms.adapters.lsf import history, probe, rows
from grms.adapters.lsf.rows import SYSTEM
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

_ACCEPTED = re.compile(r"Job <(\d+)> is submitted to (?:default )?queue <", re.ASCII)

#: Refusals that no repetition mends.
_FINAL = re.compile(
    r"No such queue|Too many processors|Cannot exceed|Bad |Illegal|invalid|Unknown|Usage:|"
    r"not a member|cannot use|not allowed|No permission|User permission denied|unable to use",
    re.IGNORECASE,
)

_DONE = re.compile(r"is being (?:terminated|stopped|resumed)", re.IGNORECASE)
_GONE = re.compile(r"No matching job|is not found|already finished", re.IGNORECASE)

#: KB, MB and GB in a megabyte.
_UNITS = {"KB": 1024.0, "MB": 1.0, "GB": 1 / 1024}


class Lsf:
    """The adapter. Native ids are numbers."""

    name = "lsf"
    traits = Traits(
        accounting_delay=60.0,
        can_suspend=True,
        finds_finished=True,
        state_manual="IBM Spectrum LSF 10.1, bjobs reference, job states",
    )

    def __init__(self, cluster: Cluster) -> None:
        options = cluster.options
        dialect, unit = options.get("dialect", "lsf"), options.get("memory_unit", "KB")
        if dialect not in ("lsf", "openlava"):
            raise ConfigError(
                f"cluster {cluster.name}: option dialect = {dialect!r} is none of lsf, openlava"
            )
        if unit not in _UNITS:
            raise ConfigError(
                f"cluster {cluster.name}: option memory_unit = {unit!r} is none of KB, MB, GB"
            )
        self._folder = options.get("bin", "")
        self._openlava = dialect == "openlava"
        self._unit = _UNITS[unit]

    def script(self, submission: Submission) -> bytes:
        """Job script; it goes to bsub's standard input, which honours its first line."""
        return answers.script(submission)

    def submit_command(self, submission: Submission) -> Command:
        """bsub runs in the control directory, which becomes the job's first directory."""
        options = ["-J", submission.tag, "-n", str(submission.count)]
        if not self._openlava:
            options.append("-rn")
        if submission.count > 1:
            options += ["-R", "span[hosts=1]"]
        if submission.wall is not None:
            options += ["-W", str(max(1, -(-submission.wall // 60)))]
        if submission.cpu is not None:
            options += ["-c", str(max(1, -(-submission.cpu // 60)))]
        if submission.memory is not None:
            options += ["-M", str(max(1, round(submission.memory * self._unit)))]
        if submission.queue:
            options += ["-q", submission.queue]
        if submission.project:
            options += ["-P", submission.project]
        if submission.hold:
            options.append("-H")
        return self._command(
            "bsub",
            *options,
            "-o",
            f"{submission.directory}/batch.out",
            stdin=self.script(submission),
            cwd=submission.directory,
        )

    def parse_submit(self, result: CommandResult) -> str:
        """``Job <101> is submitted to queue <normal>.``"""
        return answers.submit_result(SYSTEM, result, _ACCEPTED, _FINAL)

    def status_command(self, native_ids: Sequence[str]) -> Command:
        """All jobs in one call, ended ones while LSF remembers them."""
        return self._bjobs(*native_ids)

    def parse_status(self, result: CommandResult) -> Mapping[str, NativeStatus]:
        """The jobs that LSF knows; an unknown id costs only itself."""
        return {row["jobid"]: rows.status(row) for row in rows.read(result, self._openlava)}

    def account_command(self, native_ids: Sequence[str]) -> Command:
        """``-n 0``: all event files, not the newest only."""
        return self._command("bhist", "-n", "0", "-l", *native_ids)

    def parse_account(self, result: CommandResult) -> Mapping[str, Account]:
        """The jobs whose end the log tells."""
        found = {key: history.account(key, log) for key, log in history.read(result).items()}
        return {key: account for key, account in found.items() if account}

    def find_commands(self, tags: Sequence[str]) -> Sequence[Command]:
        """Two for each tag: what LSF remembers and what its event files tell."""
        remembered = [self._bjobs("-J", tag) for tag in tags]
        logged = [self._command("bhist", "-n", "0", "-l", "-a", "-J", tag) for tag in tags]
        return (*remembered, *logged)

    def parse_find(self, results: Sequence[CommandResult]) -> Mapping[str, tuple[str, ...]]:
        """Tag to ids; the first half of the results is bjobs', the second bhist's."""
        found: dict[str, dict[str, None]] = {}
        half = len(results) // 2
        for result in results[:half]:
            for row in rows.read(result, self._openlava):
                found.setdefault(row["job_name"], {})[row["jobid"]] = None
        for result in results[half:]:
            for native_id, log in history.read(result).items():
                found.setdefault(history.tag(log), {})[native_id] = None
        return {tag: tuple(ids) for tag, ids in found.items() if tag}

    def cancel_command(self, native_ids: Sequence[str]) -> Command:
        """Kill, running or not."""
        return self._command("bkill", *native_ids)

    def hold_command(self, native_ids: Sequence[str]) -> Command:
        """bstop of a waiting job holds it (PSUSP)."""
        return self._command("bstop", *native_ids)

    def release_command(self, native_ids: Sequence[str]) -> Command:
        """Let it wait again."""
        return self._command("bresume", *native_ids)

    def suspend_command(self, native_ids: Sequence[str]) -> Command:
        """bstop of a running job stops its processes (USUSP)."""
        return self._command("bstop", *native_ids)

    def resume_command(self, native_ids: Sequence[str]) -> Command:
        """The job shows SSUSP for some seconds, then RUN."""
        return self._command("bresume", *native_ids)

    def parse_outcome(
        self, verb: str, native_ids: Sequence[str], result: CommandResult
    ) -> Mapping[str, Outcome]:
        """One line for each id."""
        answers.text(result, SYSTEM)

        def judge(_: str, said: str) -> Outcome:
            if not said:
                raise answers.down(f"{SYSTEM}, asked to {verb},", result)
            return Outcome(ok=bool(_DONE.search(said)), message=said, gone=bool(_GONE.search(said)))

        return answers.outcomes(native_ids, result, judge)

    def probe_commands(self) -> Sequence[Command]:
        """Version, hosts and queues."""
        return tuple(self._command(*argv) for argv in probe.COMMANDS)

    def parse_probe(self, results: Sequence[CommandResult]) -> ProbeFacts:
        """Refuses programs that are not LSF's, and the other dialect."""
        return probe.facts(results, self._openlava)

    def _bjobs(self, *which: str) -> Command:
        return self._command("bjobs", "-a", "-noheader", "-o", rows.form(self._openlava), *which)

    def _command(self, name: str, *arguments: str, stdin: bytes = b"", cwd: str = "") -> Command:
        return Command((answers.program(self._folder, name), *arguments), stdin=stdin, cwd=cwd)
