"""The drill: many jobs, a broker that is killed again and again, batch systems on bad days.

``python -m tests.drill --system fork --system pbs --jobs 200 --seed 7`` prints a table: for each
system and fault how many jobs, and how many of them were lost, doubled or misreported.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from checker import Broken, Ran, check
from fire import ROOT, Fire

from grms.broker.lifecycle import JobState

SIMULATORS = ROOT / "testbed" / "simulators"
#: Options of the clusters, and the queue that their simulators have.
SIMULATED = {
    "pbs": ({"suspend": "yes", "history": "yes"}, "workq"),
    "lsf": ({"dialect": "openlava"}, "normal"),
}
SYSTEMS = ("fork", *SIMULATED)
#: What goes wrong: the broker alone, or beside it the batch system.
FAULTS = ("none", "kill", "down", "empty", "lost", "all")
QUICK = {"lost_after": "20", "calls_per_minute": "60", "lease": "30", "probe_interval": "3600"}


@dataclass
class Line:
    """One line of the table."""

    system: str
    fault: str
    jobs: int
    kills: int
    seconds: float
    broken: list[Broken]
    states: Counter[str]

    def __str__(self) -> str:
        counts = Counter(item.kind for item in self.broken)
        bad = [counts[kind] for kind in ("lost", "doubled", "misreported", "illegal")]
        ends = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        numbers = " | ".join(map(str, (self.jobs, self.kills, *bad)))
        return f"| {self.system} | {self.fault} | {numbers} | {self.seconds:.0f} | {ends} |"


HEAD = (
    "| system | fault | jobs | kills | lost | doubled | misreported | illegal | s | ends |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


class Drill:
    """One system, one kind of fault, one seed."""

    def __init__(self, system: str, fault: str, jobs: int, seed: int, place: Path) -> None:
        self.system, self.fault, self.count = system, fault, jobs
        self.dice = random.Random(f"{system}/{fault}/{seed}")
        self.place = place
        self.sim = place / "sim"
        self.core: ModuleType | None = None
        self.codes: dict[str, int] = {}
        self.canceled: set[str] = set()

    def run(self, patience: float) -> Line:
        """Drill; the answer is the line of the table."""
        began = time.monotonic()
        settings = dict(QUICK)
        if self.system in SIMULATED:
            settings["clusters_file"] = str(self._install())
        fire = Fire(self.place / "fire", **settings)
        try:
            self._storm(fire)
            self._calm()
            fire.all_ended(patience)
            broken = check(fire.store, self._runs(fire), now=time.time())
            broken += self._codes_told(fire)
            states = Counter(job.state.value for job in fire.jobs())
            spent = time.monotonic() - began
            line = Line(self.system, self.fault, self.count, fire.kills, spent, broken, states)
        finally:
            fire.close()
            if self.core is not None:
                self.core.stop(self.sim)
        return line

    def _install(self) -> Path:
        sys.path.insert(0, str(SIMULATORS))
        try:
            self.core = __import__("core")
            system = __import__(f"{self.system}_sim")
        finally:
            sys.path.remove(str(SIMULATORS))
        program = SIMULATORS / f"{self.system}_sim.py"
        self.core.install(program, list(system.COMMANDS), self.sim, slots=64)
        options, queue = SIMULATED[self.system]
        lines = [f'{key} = "{value}"' for key, value in options.items()]
        lines += [f'bin = "{self.sim}/bin"', f'python = "{sys.executable}"']
        file = self.place / "clusters.toml"
        file.write_text(
            f'[cluster.sim]\nbatch = "{self.system}"\nworkdir = "{self.place}/work"\n'
            f'[[cluster.sim.queues]]\nname = "{queue}"\ndefault = true\n'
            "[cluster.sim.options]\n" + "\n".join(lines) + "\n"
        )
        return file

    # -- the storm ----------------------------------------------------------------------------

    def _storm(self, fire: Fire) -> None:
        """Submit in bursts; between them something goes wrong."""
        fire.start()
        left = self.count
        while left:
            burst = min(left, max(1, self.count // 12))
            left -= burst
            for _ in range(burst):
                code = self.dice.choice((0, 0, 3, 7))
                job_id = fire.submit(code, self.dice.choice((0.0, 0.2, 1.0)))
                self.codes[job_id] = code
            if self.dice.random() < 0.5:
                victim = self.dice.choice(sorted(self.codes))
                self.canceled.add(victim)
                fire.wish("cancel", victim)
            self._strike(fire)
        if fire.engine is None:
            fire.start()

    def _strike(self, fire: Fire) -> None:
        if self.core is not None and self.fault in ("down", "empty", "lost", "all"):
            kinds = ("down", "empty", "lost") if self.fault == "all" else (self.fault,)
            self._set_fault(self.dice.choice(kinds))
        time.sleep(self.dice.uniform(0.2, 2.5))
        if self.fault in ("kill", "all"):
            fire.kill()
            fire.start()
        if self.fault != "all" or self.dice.random() < 0.5:
            self._calm()

    def _set_fault(self, kind: str) -> None:
        (self.sim / "state" / "fault").write_text(kind)

    def _calm(self) -> None:
        with suppress(FileNotFoundError):
            (self.sim / "state" / "fault").unlink()

    # -- the verdict --------------------------------------------------------------------------

    def _runs(self, fire: Fire) -> list[Ran]:
        """A canceled program writes no end; it has one if its job ended."""
        ended = {job.id: job for job in fire.jobs() if job.state.is_end}
        return [
            replace(run, end=ended[run.job_id].finished_at.timestamp(), evidence=True)
            if run.end is None and run.job_id in self.canceled and run.job_id in ended
            else run
            for run in fire.runs()
        ]

    def _codes_told(self, fire: Fire) -> list[Broken]:
        """Each job that nobody canceled ended with the code it was written to end with."""
        broken = []
        for job in fire.jobs():
            code = self.codes[job.id]
            wanted = JobState.FINISHED if code == 0 else JobState.FAILED
            if job.id not in self.canceled and job.state.is_end and job.state is not wanted:
                text = f"{job.state.value} ({job.error}), but its program ends with {code}"
                broken.append(Broken("misreported", job.id, text))
        return broken


def drill(system: str, fault: str, jobs: int, seed: int, *, patience: float = 600.0) -> Line:
    """One drill in a directory of its own, which is kept if a promise was broken."""
    place = Path(tempfile.mkdtemp(prefix="grms-drill-"))
    line = Drill(system, fault, jobs, seed, place).run(patience)
    if line.broken:
        print(f"seed {seed}, kept in {place}:", *line.broken, sep="\n  ", file=sys.stderr)
    else:
        shutil.rmtree(place, ignore_errors=True)
    return line


def faults_of(system: str) -> tuple[str, ...]:
    """The faults that a system can have: fork has no daemon that could fail."""
    return ("none", "kill") if system == "fork" else FAULTS


def main(run: Callable[..., Line] = drill) -> int:
    """Drill as the command line says, and print the table."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--system", action="append", choices=SYSTEMS)
    words.add_argument("--fault", action="append", choices=FAULTS)
    words.add_argument("--jobs", type=int, default=200, help="jobs of each line")
    words.add_argument("--seed", type=int, default=1)
    given = words.parse_args()
    print(HEAD, flush=True)
    bad = False
    for system in given.system or SYSTEMS:
        for fault in given.fault or faults_of(system):
            if fault in faults_of(system):
                line = run(system, fault, given.jobs, given.seed)
                bad = bad or bool(line.broken)
                print(line, flush=True)
    return 1 if bad else 0
