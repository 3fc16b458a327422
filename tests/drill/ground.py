"""Where the jobs of a drill run: this host, stand-ins of batch systems, and the real ones.

A ground has two clusters: ``main``, whose system is drilled, and ``other``, a plain host that jobs
can move to.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from testbed_systems import TESTBED, bring_up

SIMULATORS = TESTBED / "simulators"
SHIFTED = Path(__file__).parent / "shifted.py"
#: Which Python accounts other than our own can reach.
SYSTEM_PYTHON = "/usr/bin/python3"
#: Options of a cluster of each stand-in, and its queue.
STAND_INS = {
    "pbs": ({"suspend": "yes", "history": "yes"}, "workq"),
    "lsf": ({"dialect": "openlava"}, "normal"),
    "slurm": ({"operator": "yes"}, "debug"),
    "sge": ({}, "all.q"),
    "condor": ({}, ""),
}
#: The same of the real systems, and the account that their jobs run as.
REAL = {
    "real-slurm": ({}, "debug"),
    "real-sge": ({}, "all.q"),
    "real-condor": (
        {"bin": "/opt/grms-condor/bin", "condor_config": "/opt/grms-condor/condor_config"},
        "",
    ),
}
ACCOUNT = "grid"
_SLOTS = 64


@dataclass(frozen=True)
class Terrain:
    """What is special about a ground; ``settings`` are the stand-in's own.

    ``ssh``: the clusters are reached by a server of our own. ``clock``: by how many seconds the
    cluster's clocks are wrong. ``small``: the work directory is a file system of that many MB.
    """

    ssh: bool = False
    clock: float = 0.0
    small: int = 0
    settings: dict[str, object] = field(default_factory=dict)


class Ground:
    """The clusters of one drill, in ``place``; close it to take everything away."""

    def __init__(self, system: str, place: Path, terrain: Terrain) -> None:
        self.system, self.place, self.terrain = system, place, terrain
        self.account = ACCOUNT if system in REAL else ""
        self.python = SYSTEM_PYTHON if system in REAL or terrain.ssh else sys.executable
        self.work = place / "work"
        self._stack = ExitStack()
        self._sim = place / "sim"
        try:
            self.clusters = self._declare()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the stand-in's jobs, the server, the file system."""
        self._stack.close()

    # -- what can go wrong --------------------------------------------------------------------

    def fault(self, word: str) -> None:
        """The stand-in misbehaves from now on; "" ends that."""
        if self.system in STAND_INS:
            part = self._sim / "state" / "fault.part"
            part.write_text(word)
            part.rename(self._sim / "state" / "fault")

    def cut(self) -> None:
        """End all SSH connections at once."""
        pid = (self.place / "sshd" / "pid").read_text().strip()
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                _kill(int(child))

    def fill(self) -> None:
        """Leave no room in the work directory's file system."""
        fill(self.work / "ballast")

    def clear(self) -> None:
        """Give the room back."""
        (self.work / "ballast").unlink(missing_ok=True)

    # -- how it is made -----------------------------------------------------------------------

    def _declare(self) -> Path:
        self.place.chmod(0o755)
        self.work.mkdir()
        if self.terrain.small:
            mount_small(self.work, self.terrain.small, self._stack)
        transport, options = self._way()
        batch, queue = "fork", ""
        if self.system in STAND_INS:
            batch, (more, queue) = self.system, STAND_INS[self.system]
            self._install(transport)
            options |= more | {"bin": f"{self._sim}/bin"}
        elif self.system in REAL:
            bring_up(self.system.removeprefix("real-"))
            batch, (more, queue) = self.system.removeprefix("real-"), REAL[self.system]
            options |= more
        tables = [self._table("main", batch, transport, options, queue)]
        tables.append(self._table("other", "fork", *self._way(), ""))
        file = self.place / "clusters.toml"
        file.write_text("\n".join(tables))
        return file

    def _table(
        self, name: str, batch: str, transport: str, options: dict[str, str], queue: str
    ) -> str:
        workdir = self.work / name
        workdir.mkdir()
        workdir.chmod(0o1777)
        if self.account:  # probes come as root, jobs by the account
            for part in ("bin", "inbox", "tags", "jobs"):
                (workdir / part).mkdir()
                shutil.chown(workdir / part, self.account)
        python = self._shifting() if self.terrain.clock else self.python
        lines = [f"[cluster.{name}]", f'batch = "{batch}"', f'host = "{name}.grid"']
        lines += [f'transport = "{transport}"', f'workdir = "{workdir}"', "memory = 8000"]
        lines += [f"[cluster.{name}.options]", f'python = "{python}"']
        lines += [f'{key} = "{value}"' for key, value in options.items()]
        if queue:
            lines += [f"[[cluster.{name}.queues]]", f'name = "{queue}"', "default = true"]
        return "\n".join(lines)

    def _way(self) -> tuple[str, dict[str, str]]:
        if self.account:
            return "local+sudo", {}
        if not self.terrain.ssh:
            return "local", {}
        found = self._server()
        where = f"{found['SSHD_USER']}@{found['SSHD_HOST']}:{found['SSHD_PORT']}"
        files = {"key_file": found["SSHD_KEY"], "known_hosts": found["SSHD_KNOWN_HOSTS"]}
        return f"ssh://{where}", files

    def _server(self) -> dict[str, str]:
        """Idempotent: the second call finds the server of the first."""
        folder = self.place / "sshd"
        done = subprocess.run(
            [TESTBED / "sshd-up", folder], capture_output=True, text=True, timeout=120, check=True
        )
        down = [str(TESTBED / "sshd-down"), str(folder)]
        self._stack.callback(subprocess.run, down, timeout=60, check=False)
        lines = (line.removeprefix("export ") for line in done.stdout.splitlines())
        return dict(line.split("=", 1) for line in lines)

    def _install(self, transport: str) -> None:
        core = _module("core")
        names = list(_module(f"{self.system}_sim").COMMANDS)
        settings = {"slots": _SLOTS, "clock": self.terrain.clock, **self.terrain.settings}
        program = SIMULATORS / f"{self.system}_sim.py"
        core.install(program, names, self._sim, python=self.python, **settings)
        if transport != "local":
            owner = transport.partition("//")[2].partition("@")[0]
            for path in (self._sim, *self._sim.rglob("*")):
                shutil.chown(path, owner)
                path.chmod(0o755)
        self._stack.callback(core.stop, self._sim)

    def _shifting(self) -> str:
        """A Python whose clock is wrong, for the wrappers of jobs."""
        program = self.place / "python-shifted"
        words = f"{self.python} -I -S {SHIFTED} {self.terrain.clock}"
        program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        program.chmod(0o755)
        return str(program)


def _module(name: str) -> ModuleType:
    if str(SIMULATORS) not in sys.path:
        sys.path.append(str(SIMULATORS))
    return importlib.import_module(name)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return


def may_mount() -> bool:
    """Only root may make a small file system."""
    return os.geteuid() == 0


def mount_small(place: Path, megabytes: int, stack: ExitStack) -> None:
    """A file system of its own at ``place``."""
    size = f"size={megabytes}m,mode=0755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "grms-drill", place], check=True)
    # Lazy: a job that hangs on in it must not keep us.
    stack.callback(subprocess.run, ["umount", "-l", str(place)], check=False)


def fill(file: Path) -> None:
    """Write until the disk is full."""
    with file.open("ab") as ballast:
        try:
            while True:
                os.write(ballast.fileno(), b"\0" * 65536)
        except OSError:
            return
