"""The commands of Slurm: what to run, never the running.

Fields are parted by the ASCII unit separator, which no name contains by accident, and times are
seconds since the epoch (``SLURM_TIME_FORMAT``), so neither locale nor time zone matters.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from grms.broker.ports.batch import Command, Submission
from grms.broker.records import Cluster

#: Between two fields, and between two answers of one command.
FIELD = "\x1f"
PART = "\x1e"

_ENV = {"LC_ALL": "C", "SLURM_TIME_FORMAT": "%s"}
_SQUEUE = FIELD.join(("%i", "%T", "%r", "%V", "%S", "%e", "%j"))
_SACCT = "JobIDRaw,State,ExitCode,Submit,Start,End,ElapsedRaw,TotalCPU,MaxRSS,JobName"
_NODES = FIELD.join(("%N", "%C", "%m", "%e", "%T"))

# scontrol knows a job for MinJobAge after its end, sacct for ever, but not on every site.
_ACCOUNT = f"""\
scontrol=$1 sacct=$2; shift 2; ids=
for id; do
    "$scontrol" -o show job "$id" 2>&1
    ids=$ids${{ids:+,}}$id
done
printf '{PART}\\n'
exec "$sacct" -n -P --delimiter='{FIELD}' --units=K -o {_SACCT} -j "$ids"
"""


class Commands:
    """Builds Slurm's commands. Option ``bin``: the directory they lie in; empty: by PATH."""

    def __init__(self, cluster: Cluster) -> None:
        self._bin = cluster.options.get("bin", "").rstrip("/")

    def _program(self, name: str) -> str:
        return f"{self._bin}/{name}" if self._bin else name

    def _command(self, name: str, *words: str) -> Command:
        return Command((self._program(name), *words), env=_ENV)

    def script(self, submission: Submission) -> bytes:
        """A script that becomes the wrapper."""
        return f"#!/bin/sh\nexec {shlex.join(submission.wrapper)}\n".encode()

    def submit(self, submission: Submission) -> Command:
        """``sbatch``; what is given here outranks SBATCH variables of the account."""
        # sbatch expands % in file names.
        output = f"{submission.directory}/batch.out".replace("%", "%%")
        words = ["--parsable", "--no-requeue", "--job-name", submission.tag]
        words += ["--comment", submission.tag, "--chdir", submission.workdir, "--output", output]
        words += ["--open-mode", "append", *_resources(submission)]
        words += [f"{submission.directory}/job.sh"]
        return self._command("sbatch", *words)

    def status(self) -> Command:
        """All jobs of the account in one call, the ended of the last minutes included."""
        return self._command("squeue", "-h", "--me", "-t", "all", "-o", _SQUEUE)

    def account(self, native_ids: Sequence[str]) -> Command:
        """scontrol for each id, then sacct for all."""
        words = ("-c", _ACCOUNT, "sh", self._program("scontrol"), self._program("sacct"))
        return Command(("/bin/sh", *words, *native_ids), env=_ENV, timeout=120.0)

    def find(self, tags: Sequence[str]) -> Sequence[Command]:
        """By name in the queue, and in the accounting of the last week."""
        names = f"--name={','.join(tags)}"
        columns = ("-o", "JobIDRaw,JobName")
        return [
            self._command("squeue", "-h", "--me", "-t", "all", names, "-o", f"%i{FIELD}%j"),
            self._command(
                "sacct",
                "-n",
                "-P",
                "-X",
                f"--delimiter={FIELD}",
                names,
                "-S",
                "now-7days",
                *columns,
            ),
        ]

    def verbs(self, verb: str, native_ids: Sequence[str]) -> Command:
        """cancel, hold, release, suspend or resume.

        ``scancel -v`` names each job that it could not cancel. ``uhold`` can be released by the
        owner even where an operator sets it.
        """
        if verb == "cancel":
            return self._command("scancel", "-v", *native_ids)
        word = {"hold": "uhold"}.get(verb, verb)
        return self._command("scontrol", word, ",".join(native_ids))

    def probe(self) -> Sequence[Command]:
        """Version, nodes, partitions, jobs of everybody."""
        return [
            self._command("sinfo", "-V"),
            self._command("sinfo", "-h", "-N", "-o", _NODES),
            self._command("scontrol", "-o", "show", "partition"),
            self._command("squeue", "-h", "-t", "PD,R", "-o", "%T"),
        ]


def _resources(submission: Submission) -> list[str]:
    count = submission.count
    words = [f"--ntasks={count}"]
    if not submission.parallel:
        words.append("--nodes=1")
    if submission.hold:
        words.append("--hold")
    if submission.memory is not None:
        # --mem is for each node; only on one node is that the whole job.
        share = -(-submission.memory // count)
        words.append(
            f"--mem-per-cpu={share}" if submission.parallel else f"--mem={submission.memory}"
        )
    if submission.wall is not None:
        words.append(f"--time={max(1, -(-submission.wall // 60))}")
    named: Mapping[str, str] = {"--partition": submission.queue, "--account": submission.project}
    return words + [f"{name}={value}" for name, value in named.items() if value]
