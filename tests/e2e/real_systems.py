"""The clusters of the tests on real systems: how each is declared and what it can do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from broker import Broker, eventually
from testbed_systems import TESTBED, Unavailable, bring_up

ACCOUNT = "grid"
_SLURM_CLOSED = f"grmsclosed{os.getpid()}"
_SLURM_SAVES_WITHIN = 5.0
_CONDOR = Path("/opt/grms-condor")


@dataclass(frozen=True)
class System:
    """One batch system as a cluster of the broker.

    ``closed`` is what a job adds to its resource so that it waits for ever; "" where only a full
    cluster makes it wait. ``daemon`` is the name of the process that takes jobs and keeps the
    queue; "" where there is none. The first of ``queues`` is the default.
    """

    name: str
    batch: str
    real: bool = True
    closed: str = ""
    daemon: str = ""
    queues: tuple[str, ...] = ()

    def resource(self, extra: str = "") -> str:
        """The requirement that sends a job to this cluster."""
        return f"<resource><hostname>{self.name}-host</hostname>{extra}</resource>"


SYSTEMS = {
    system.name: system
    for system in (
        System(
            "slurm",
            "slurm",
            closed=f"<queue>{_SLURM_CLOSED}</queue>",
            daemon="slurmctld",
            queues=("debug", _SLURM_CLOSED),
        ),
        System(
            "sge",
            "sge",
            daemon="sge_qmaster",
            queues=("all.q", "short.q"),
        ),
        System("condor", "condor", daemon="condor_schedd"),
        System("ssh", "fork"),
        System("pbs_sim", "pbs", real=False),
        System("lsf_sim", "lsf", real=False),
    )
}


@dataclass
class Grid:
    """A broker with all systems that this machine has, and a directory that jobs may write to."""

    broker: Broker
    scratch: Path
    missing: dict[str, str] = field(default_factory=dict)


@contextmanager
def grid(
    place: Path,
    names: Collection[str] = tuple(SYSTEMS),
    options: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[Grid]:
    """Bring up what can be had, and a broker that knows it. ``options`` are added by name."""
    with ExitStack() as stack:
        scratch = Path(tempfile.mkdtemp(prefix="grms-real-"))
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        scratch.chmod(0o1777)
        missing: dict[str, str] = {}
        tables = []
        for name in names:
            try:
                tables.append(_table(name, stack, scratch, (options or {}).get(name, {})))
            except Unavailable as reason:
                missing[name] = str(reason)
        clusters = place / "clusters.toml"
        clusters.write_text("\n".join(tables), "utf-8")
        broker = Broker(
            place,
            {"GRMS_CLUSTERS_FILE": str(clusters), "GRMS_FILE_ROOTS": str(scratch)},
        )
        added = broker.run("user", "add", "alice", "--account", ACCOUNT)
        broker.token = added.stdout.strip()
        broker.start()
        stack.callback(broker.stop)
        yield Grid(broker, scratch, missing)


def _table(name: str, stack: ExitStack, scratch: Path, more: Mapping[str, str]) -> str:
    system = SYSTEMS[name]
    workdir = scratch / f"work-{name}"
    workdir.mkdir()
    workdir.chmod(0o1777)
    transport, options = _MADE[name](stack, scratch)
    lines = [
        f"[cluster.{name}]",
        f'batch = "{system.batch}"',
        f'host = "{name}-host"',
        f'transport = "{transport}"',
        f'workdir = "{workdir}"',
        'osname = "Linux"',
        "memory = 8000",
        f"[cluster.{name}.options]",
        *(f'{key} = "{value}"' for key, value in {**options, **more}.items()),
    ]
    for queue in system.queues:
        default = str(queue == system.queues[0]).lower()
        lines += [f"[[cluster.{name}.queues]]", f'name = "{queue}"', f"default = {default}"]
    return "\n".join(lines)


def _slurm(stack: ExitStack, _: Path) -> tuple[str, Mapping[str, str]]:
    bring_up("slurm")
    close_partition()
    stack.callback(_quietly, "scontrol", "delete", f"partitionname={_SLURM_CLOSED}")
    return "local+sudo", {}


def close_partition() -> None:
    """A partition that starts nothing; a restart of slurmctld may forget it."""
    _quietly("scontrol", "create", f"partitionname={_SLURM_CLOSED}", "nodes=n1", "state=down")


def _sge(_: ExitStack, __: Path) -> tuple[str, Mapping[str, str]]:
    bring_up("sge")
    return "local+sudo", {}


def _condor(_: ExitStack, __: Path) -> tuple[str, Mapping[str, str]]:
    bring_up("condor")
    return "local+sudo", {
        "bin": str(_CONDOR / "bin"),
        "condor_config": str(_CONDOR / "condor_config"),
    }


def _ssh(stack: ExitStack, scratch: Path) -> tuple[str, Mapping[str, str]]:
    directory = scratch / "sshd"
    environment = os.environ | {"SSHD_ACCOUNT": ACCOUNT}
    done = subprocess.run(
        [TESTBED / "sshd-up", directory],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if done.returncode == 3:
        raise Unavailable(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    stack.callback(_quietly, str(TESTBED / "sshd-down"), str(directory))
    lines = (line.removeprefix("export ") for line in done.stdout.splitlines())
    found = dict(line.split("=", 1) for line in lines)
    transport = f"ssh://{found['SSHD_USER']}@{found['SSHD_HOST']}:{found['SSHD_PORT']}"
    return transport, {
        "key_file": found["SSHD_KEY"],
        "known_hosts": found["SSHD_KNOWN_HOSTS"],
    }


def _simulator(system: str, **options: str) -> Callable[..., tuple[str, Mapping[str, str]]]:
    def make(stack: ExitStack, scratch: Path) -> tuple[str, Mapping[str, str]]:
        program = str(TESTBED / "simulators" / f"{system}_sim.py")
        target = scratch / system
        subprocess.run([sys.executable, program, "--install", target], check=True, timeout=60)
        stack.callback(_quietly, sys.executable, program, "--stop", str(target))
        return "local", {"bin": str(target / "bin"), "python": sys.executable, **options}

    return make


def kill_daemon(system: System) -> None:
    """kill -9 to the daemon of a system of the test bed, and wait until it is gone.

    slurmctld writes down what it accepted some seconds later: it is killed after that, for what it
    forgot it gives the numbers of to other jobs, and kills those as strays.
    """
    if system.name == "slurm":
        begun = time.time()
        eventually(lambda: _slurm_saved(begun), "slurmctld to save its state")
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):
            # The kernel keeps 15 characters of a name.
            if comm.read_text().strip() == system.daemon[:15]:
                pid = int(comm.parent.name)
                os.kill(pid, signal.SIGKILL)
                eventually(lambda pid=pid: _is_gone(pid), f"{system.daemon} to die")


def _slurm_saved(begun: float) -> bool:
    saved = Path("/var/lib/slurm/ctld/job_state").stat().st_mtime
    return saved > begun or time.time() > begun + 3 * _SLURM_SAVES_WITHIN


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def restart_daemon(system: System) -> None:
    """Bring a killed daemon up again."""
    bring_up(system.name)
    if system.name == "slurm":
        close_partition()


def _quietly(*words: str) -> None:
    subprocess.run(words, capture_output=True, timeout=120, check=False)


#: The simulators run jobs as whoever calls them, maybe root, without the caller's environment.
_MPI = "mpirun --allow-run-as-root -np {count}"

_MADE: Mapping[str, Callable[[ExitStack, Path], tuple[str, Mapping[str, str]]]] = {
    "slurm": _slurm,
    "sge": _sge,
    "condor": _condor,
    "ssh": _ssh,
    "pbs_sim": _simulator("pbs", suspend="yes", history="yes", mpi_launcher=_MPI),
    "lsf_sim": _simulator("lsf", dialect="openlava", mpi_launcher=_MPI),
}
