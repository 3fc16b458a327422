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
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from checker import Broken
from faults import NAMES, Fault, faults_of
from fire import Fire
from ground import REAL, STAND_INS, Ground
from served import ServedFire
from verdict import Asked, judge

from grms.errors import GrmsError

SYSTEMS = ("fork", *STAND_INS)
QUICK = {"lost_after": "20", "calls_per_minute": "60", "lease": "30", "probe_interval": "3600"}
KINDS = ("lost", "doubled", "misreported", "illegal")


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
    steps: int = 0

    def __str__(self) -> str:
        counts = Counter(item.kind for item in self.broken)
        ends = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        ends += f"; at {self.steps} different steps" if self.steps else ""
        numbers = " | ".join(map(str, (self.jobs, self.kills, *(counts[k] for k in KINDS))))
        return f"| {self.system} | {self.fault} | {numbers} | {self.seconds:.0f} | {ends} |"


HEAD = (
    "| system | fault | jobs | kills | lost | doubled | misreported | illegal | s | ends |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


class Drill:
    """One system, one kind of fault, one seed."""

    def __init__(self, system: str, name: str, jobs: int, seed: int, place: Path) -> None:
        self.system, self.name, self.count = system, name, jobs
        self.dice = random.Random(f"{system}/{name}/{seed}")
        self.fault: Fault = faults_of(system)[name]()
        self.bursts = self.fault.bursts
        self.place = place
        self.asked: list[tuple[Asked, str]] = []
        self.ids: dict[str, str] = {}
        self.canceled: set[str] = set()

    def run(self, patience: float) -> Line:
        """Drill; the answer is the line of the table."""
        began = time.monotonic()
        with ExitStack() as stack:
            ground = Ground(self.system, self.place, self.fault.terrain)
            stack.callback(ground.close)
            self.fault.prepare(self.place, stack)
            settings = {**QUICK, "clusters_file": str(ground.clusters)}
            fire = self.fault.fire(self.place / "fire", ground.account, **settings)
            stack.callback(fire.close)
            self._storm(fire, ground)
            self.fault.calm(fire, ground)
            fire.revive()
            self._repeat_refused(fire)
            broken = self._accepted(fire)
            fire.all_ended(patience)
            asked = {self.ids[one.key]: one for one, _ in self.asked}
            mortal = self.fault.mortal
            broken += judge(fire, asked, self.canceled, time.time(), mortal=mortal)
            states = Counter(job.state.value for job in fire.jobs())
            kills, spent, steps = fire.kills, time.monotonic() - began, len(fire.stopped_at)
        return Line(self.system, self.name, self.count, kills, spent, broken, states, steps)

    def _storm(self, fire: Fire, ground: Ground) -> None:
        """Submit in bursts; between them something goes wrong."""
        fire.start()
        left = self.count
        while left:
            burst = min(left, max(1, self.count // self.bursts))
            left -= burst
            self.fault.before(fire)
            for _ in range(burst):
                self._submit(fire, ground)
            self._cancel_one(fire)
            fire.revive()
            self.fault.strike(fire, ground, self.dice)
            time.sleep(self.dice.uniform(0.2, 2.5))
            if self.dice.random() < 0.7:
                self.fault.calm(fire, ground)
            self._repeat_refused(fire)

    def _submit(self, fire: Fire, ground: Ground) -> None:
        key = f"key-{len(self.asked)}"
        if self.dice.random() < self.fault.counting:
            one = Asked(key, 0, self.dice.randint(20, 100))
            text = fire.counting(key, one.steps, self.dice.choice(("main", "other")), ground.python)
        else:
            one = Asked(key, self.dice.choice((0, 0, 3, 7)))
            text = fire.text(one.code, self.dice.choice((0.0, 0.2, 1.0)), host="main")
        self.asked.append((one, text))
        self._send(fire, one, text)

    def _send(self, fire: Fire, one: Asked, text: str) -> None:
        """What is refused, for its disk is full, is not accepted: it is sent again later."""
        try:
            self.ids[one.key] = fire.send(text, one.key)
        except GrmsError as error:
            if not error.transient:
                raise

    def _repeat_refused(self, fire: Fire) -> None:
        for one, text in self.asked:
            if one.key not in self.ids:
                self._send(fire, one, text)

    def _cancel_one(self, fire: Fire) -> None:
        jobs = fire.jobs()
        if jobs and self.dice.random() < 0.5:
            victim = self.dice.choice(jobs).id
            self.canceled.add(victim)
            fire.wish("cancel", victim)

    def _accepted(self, fire: Fire) -> list[Broken]:
        """Clients that repeated themselves know now which jobs they have."""
        if not isinstance(fire, ServedFire):
            return []
        self.ids, broken = fire.accepted()
        return broken


def drill(
    system: str, fault: str, jobs: int, seed: int, *, bursts: int = 0, patience: float = 600.0
) -> Line:
    """One drill in a directory of its own, which is kept if a promise was broken.

    ``bursts``: in how many the jobs are submitted, 0: as many as the fault likes.
    """
    place = Path(tempfile.mkdtemp(prefix="grms-drill-"))
    fight = Drill(system, fault, jobs, seed, place)
    fight.bursts = bursts or fight.bursts
    line = fight.run(patience)
    if line.broken:
        told = f"{system}, {fault}, seed {seed}, {jobs} jobs, kept in {place}:"
        print(told, *line.broken, sep="\n  ", file=sys.stderr, flush=True)
    else:
        shutil.rmtree(place, ignore_errors=True)
    return line


def main(run: Callable[..., Line] = drill) -> int:
    """Drill as the command line says, and print the table."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--system", action="append", choices=(*SYSTEMS, *REAL))
    words.add_argument("--fault", action="append", choices=NAMES)
    words.add_argument("--jobs", type=int, default=0, help="jobs of each line")
    words.add_argument("--total", type=int, default=1000, help="jobs of each system, at least")
    words.add_argument("--bursts", type=int, default=0, help="in how many they are submitted")
    words.add_argument("--seed", type=int, default=1)
    given = words.parse_args()
    print(HEAD, flush=True)
    bad = False
    for system in given.system or SYSTEMS:
        faults = [name for name in faults_of(system) if not given.fault or name in given.fault]
        jobs = given.jobs or -(-given.total // max(1, len(faults)))
        for fault in faults:
            line = run(system, fault, jobs, given.seed, bursts=given.bursts)
            bad = bad or bool(line.broken)
            print(line, flush=True)
    return 1 if bad else 0
