"""Random walks through the simulated world, one for each seed: ``python walk.py FIRST COUNT``."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from checker import Broken, Ran, check
from sim_broker import SimBroker, make_template

VERBS = ("submit", "status", "account", "find", "cancel", "hold", "suspend", "resume")
ONCE = ("lost", "timeout before", "timeout after", "rubbish", "refusal")
NATIVE = ("cancel", "hold", "release", "suspend", "resume")
STEPS = 30
MOST_JOBS = 5
_WEIGHTS = {
    "submit": 6,
    "wish": 5,
    "crash": 5,
    "answer_badly": 5,
    "be_down": 1,
    "answer_empty": 2,
    "record_badly": 2,
    "be_slow": 2,
    "reuse_an_id": 1,
    "forget": 2,
    "lose_a_node": 1,
    "use_native_tools": 3,
    "fail_to_move_files": 1,
}
ACTS, WEIGHTS = tuple(_WEIGHTS), tuple(_WEIGHTS.values())


class Walk:
    """What users, a batch system, a network and a broker may do at any time."""

    def __init__(self, broker: SimBroker, dice: random.Random) -> None:
        self.broker = broker
        self.dice = dice
        self.jobs: list[str] = []
        self.done: list[str] = []
        broker.world.files.late = dice.choice((0, 0, 45))
        broker.world.skew = dice.choice((0, 600, -600))

    def step(self) -> None:
        """One thing happens, then some time passes."""
        act = self.dice.choices(ACTS, WEIGHTS)[0]
        self.do(act, self.dice.choice((0, 0, 0, 1, 1, 3, 10, 30, 100, 400)))

    def do(self, act: str, seconds: float) -> None:
        """Do ``act``, write it down, and let time pass."""
        at = self.broker.world.now
        self.done.append(f"{at:8.1f} {act}: {getattr(self, act)()}")
        self.broker.run_for(seconds)

    def submit(self) -> object:
        if len(self.jobs) >= MOST_JOBS:
            return None
        seconds, code = self.dice.choice((0, 5, 90, 900)), self.dice.choice((0, 0, 3, 76))
        self.jobs.append(self.broker.submit(seconds, code, staged=self.dice.random() < 0.3))
        return self.jobs[-1], seconds, code

    def wish(self) -> object:
        if not self.jobs:
            return None
        verb, job_id = (
            self.dice.choice(("cancel", "suspend", "resume")),
            self.dice.choice(self.jobs),
        )
        self.broker.wish(verb, job_id)
        return verb, job_id

    def crash(self) -> object:
        points = self.dice.randint(1, 20)
        self.broker.crash_after(points)
        return points

    def answer_badly(self) -> object:
        verb, fault = self.dice.choice(VERBS), self.dice.choice(ONCE)
        self.broker.faults.once[verb] = [fault] * self.dice.randint(1, 3)
        return verb, fault

    def be_down(self) -> object:
        seconds = self.dice.choice((20, 200, 3600))
        self.broker.faults.down_until = self.broker.world.now + seconds
        return seconds

    def answer_empty(self) -> object:
        seconds = self.dice.choice((20, 200, 1000))
        self.broker.faults.empty_until = self.broker.world.now + seconds
        return seconds

    def record_badly(self) -> object:
        world = self.broker.world
        world.vanish, world.lose_news = self.dice.random() < 0.5, self.dice.random() < 0.5
        world.account_delay = self.dice.choice((0, 5, 200))
        return world.vanish, world.lose_news, world.account_delay

    def be_slow(self) -> object:
        self.broker.world.queue_delay = self.dice.choice((0, 2, 30, 200, 1000))
        return self.broker.world.queue_delay

    def reuse_an_id(self) -> object:
        return self.broker.world.reuse()

    def forget(self) -> object:
        waiting = self.broker.world.of_state("waiting", "held")
        return self.broker.world.forget(self.dice.choice(waiting)) if waiting else None

    def lose_a_node(self) -> object:
        running = self.broker.world.of_state("running")
        requeue = self.dice.random() < 0.5
        if running:
            self.broker.world.node_dies(self.dice.choice(running), requeue=requeue)
        return requeue

    def use_native_tools(self) -> object:
        natives = self.broker.world.of_state("waiting", "held", "running", "suspended")
        what = self.dice.choice(NATIVE)
        if natives:
            native = self.dice.choice(natives)
            getattr(self.broker.world, what)(native)
            return what, native.tag
        return None

    def fail_to_move_files(self) -> object:
        self.broker.stager.failing = self.dice.randint(1, 3)
        return self.broker.stager.failing


def walk(seed: int, place: Path) -> tuple[list[Broken], list[str]]:
    """Walk once. The answer is what broke and, if anything did, the story to read."""
    broker = SimBroker(place / "empty.db", place / f"seed-{seed}", seed)
    try:
        way = Walk(broker, random.Random(seed))
        for _ in range(STEPS):
            way.step()
        broker.settle()
        broken = check(broker.store, runs_of(broker), now=broker.world.now)
        broken += [Broken("defect", "-", text) for text in broker.defects.found]
        told = [*way.done, *story(broker, broken[0].job_id)] if broken else []
        return broken, told
    finally:
        broker.close()
        shutil.rmtree(broker.settings.data_dir)


def runs_of(broker: SimBroker) -> list[Ran]:
    """What really ran."""
    return [
        Ran(
            run.job_id, run.attempt, run.start, run.end, run.code if run.evidence else None,
            run.evidence,
        )
        for run in broker.world.runs
    ]  # fmt: skip


def story(broker: SimBroker, job_id: str) -> list[str]:
    """A job's events, to read beside a broken promise."""
    if job_id == "-":
        return []
    lines = [f"{job_id}:", *(f"  {run}" for run in broker.world.runs if run.job_id == job_id)]
    for event in broker.store.events(job_id):
        at = (event.at - broker.now()).total_seconds() + broker.world.now
        lines.append(f"  {at:8.1f} {event.number:3d} {event.kind.value}: {event.text}")
    return lines


def memory() -> str | None:
    """A file system in memory where there is one: the store syncs each commit."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def main() -> int:
    """Walk the seeds and print what broke, with the seed to walk again."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("first", type=int)
    words.add_argument("count", type=int, nargs="?", default=1)
    words.add_argument("--most", type=int, default=3, help="failures to show before giving up")
    given = words.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory(dir=memory()) as name:
        make_template(Path(name))
        for seed in range(given.first, given.first + given.count):
            broken, told = walk(seed, Path(name))
            if broken:
                bad += 1
                print(f"seed {seed}:", *broken, sep="\n  ")
                print(*told, sep="\n", flush=True)
                if bad >= given.most:
                    break
    print(f"{bad} of {given.count} walks broke a promise")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
