"""The commands of SGE: what to run, never the running.

SGE's programs share their names with other systems' (qsub, qstat, qdel), so they are called by
path, and the probe checks whose they are. Debian's /usr/bin names are a shell script around each
program, ten times slower than the programs in /usr/lib/gridengine.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from grms.adapters.sge.states import SHIFTED
from grms.broker.ports.batch import Command, Submission
from grms.broker.records import Cluster

#: Between two answers of one command.
PART = "\x1e"

_DEBIAN_BIN = "/usr/lib/gridengine"
_DEBIAN_ROOT = "/var/lib/gridengine"

# 99 would start the job again, 100 would leave it in error (man qsub, EXIT STATUS), so the shell
# stays. With -notify SGE tells of a stop (USR1) and of a kill (USR2) before it acts: to all
# processes of the job or to its group, as execd_params say. Unhandled both would end the job, so
# it ignores them, in a session apart, and the shell passes on to the wrapper what they mean.
_SCRIPT = """\
#!/bin/sh
child=
trap '[ -z "$child" ] || kill -TSTP "$child"' USR1
trap '[ -z "$child" ] || kill -TERM "$child"' USR2 TERM
trap '[ -z "$child" ] || kill -CONT "$child"' CONT
(trap '' USR1 USR2; exec setsid {wrapper}) &
child=$!
while :; do
    wait "$child"
    code=$?
    kill -0 "$child" 2>/dev/null || break
done
case $code in 99|100) code={shifted} ;; esac
exit "$code"
"""

# Jobs in error state are looked up for the reason.
_STATUS = f"""\
qstat=$1/qstat
said=$("$qstat" -xml -s prsz) || exit
printf '%s\\n' "$said"
bad=$(printf '%s\\n' "$said" | awk -F'[<>]' '
    $2 == "JB_job_number" {{id = $3}}
    $2 == "state" && $3 ~ /E/ {{ids = ids sep id; sep = ","}}
    END {{print ids}}')
printf '{PART}\\n'
[ -z "$bad" ] || "$qstat" -j "$bad"
exit 0
"""

# One record for each run, of ids or of names; "not found" comes on stderr.
_ACCOUNT = """\
qacct=$1/qacct; shift
[ -x "$qacct" ] || { echo "$qacct: no such program" >&2; exit 127; }
for job; do "$qacct" -j "$job"; done
exit 0
"""

_FIND = f"""\
qstat=$1/qstat qacct=$1/qacct; shift
for tag; do printf '%s\\n' "$tag"; done
printf '{PART}\\n'
"$qstat" -xml -s prsz || exit
printf '{PART}\\n'
for tag; do "$qacct" -j "$tag"; done
exit 0
"""

# qhold and qrls are silent on a job that is held, or free, already, and on all others beside an
# unknown one: each id gets a call and an exit status of its own.
_EACH = f"""\
program=$1/$2; shift 2
[ -x "$program" ] || {{ echo "$program: no such program" >&2; exit 127; }}
for id; do
    "$program" "$id" 2>&1
    printf '{PART}%s %s\n' "$id" "$?"
done
exit 0
"""

_PROBE = f"""\
qstat=$1/qstat qconf=$1/qconf qhost=$1/qhost
"$qstat" -help | head -n 1
printf '{PART}\\n'
"$qstat" -g c -xml || exit
printf '{PART}\\n'
"$qstat" -xml -u '*' -s prs || exit
printf '{PART}\\n'
SGE_SINGLE_LINE=1 "$qconf" -sq '*' || exit
printf '{PART}\\n'
"$qhost" -xml
"""


class Commands:
    """Builds SGE's commands.

    Options: ``sge_root``, ``sge_cell``, ``sge_arch``, ``bin`` (default: ``sge_root/bin/sge_arch``,
    or Debian's place), ``pe_smp`` and ``pe_mpi`` (names of parallel environments), ``h_vmem=yes``.
    """

    def __init__(self, cluster: Cluster) -> None:
        options = cluster.options
        root, arch = options.get("sge_root", _DEBIAN_ROOT), options.get("sge_arch", "lx-amd64")
        usual = f"{root}/bin/{arch}" if "sge_root" in options else _DEBIAN_BIN
        self._bin = options.get("bin", usual).rstrip("/")
        self._env = {
            "SGE_ROOT": root,
            "SGE_CELL": options.get("sge_cell", "default"),
            "SGE_ARCH": arch,
            "LC_ALL": "C",
        }
        self._pe = {False: options.get("pe_smp", "smp"), True: options.get("pe_mpi", "mpi")}
        self._limits_memory = options.get("h_vmem") == "yes"

    def _command(self, name: str, *words: str) -> Command:
        return Command((f"{self._bin}/{name}", *words), env=self._env)

    def _shell(self, script: str, *words: str) -> Command:
        argv = ("/bin/sh", "-c", script, "sh", self._bin, *words)
        return Command(argv, env=self._env, timeout=120.0)

    def script(self, submission: Submission) -> bytes:
        """A script that runs the wrapper and keeps its exit code, save two that SGE acts upon."""
        return _SCRIPT.format(wrapper=shlex.join(submission.wrapper), shifted=SHIFTED).encode()

    def submit(self, submission: Submission) -> Command:
        """``qsub``; ``-w e`` has the impossible refused at once, ``-r n`` forbids a second run."""
        words = ["-terse", "-w", "e", "-r", "n", "-notify", "-N", submission.tag, "-S", "/bin/sh"]
        words += ["-wd", submission.workdir, "-j", "y", "-o", f":{submission.directory}/batch.out"]
        words += self._resources(submission)
        return self._command("qsub", *words, f"{submission.directory}/job.sh")

    def _resources(self, submission: Submission) -> list[str]:
        count = submission.count
        words = ["-h"] if submission.hold else []
        if count > 1:
            words += ["-pe", self._pe[submission.parallel], str(count)]
        limits = {"h_rt": submission.wall, "h_cpu": submission.cpu}
        asked = [f"{name}={value}" for name, value in limits.items() if value is not None]
        if self._limits_memory and submission.memory is not None:
            # An address space limit, for each slot; many programs die of it, hence the option.
            asked.append(f"h_vmem={-(-submission.memory // count)}M")
        if asked:
            words += ["-l", ",".join(asked)]
        if submission.queue:
            words += ["-q", submission.queue]
        if submission.project:
            words += ["-P", submission.project]
        return words

    def status(self) -> Command:
        """All jobs of the account in one call, the lately finished included."""
        return self._shell(_STATUS)

    def account(self, native_ids: Sequence[str]) -> Command:
        """``qacct`` for each id."""
        return self._shell(_ACCOUNT, *native_ids)

    def find(self, tags: Sequence[str]) -> Sequence[Command]:
        """The tags themselves, the queue, and ``qacct`` by name."""
        return [self._shell(_FIND, *tags)]

    def verbs(self, verb: str, native_ids: Sequence[str]) -> Command:
        """cancel, hold, release, suspend or resume."""
        if verb in ("hold", "release"):
            name = {"hold": "qhold", "release": "qrls"}[verb]
            return self._shell(_EACH, name, *native_ids)
        name, *words = {
            "cancel": ("qdel",),
            "suspend": ("qmod", "-sj"),
            "resume": ("qmod", "-usj"),
        }[verb]
        return self._command(name, *words, *native_ids)

    def probe(self) -> Sequence[Command]:
        """Version, slots, jobs of everybody, queues, hosts."""
        return [self._shell(_PROBE)]
