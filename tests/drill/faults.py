"""What goes wrong in a drill between two bursts of submissions, by name."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from fire import Fire, eventually
from ground import REAL, STAND_INS, Ground, Terrain, fill, may_mount, mount_small
from served import ServedFire

from grms.broker.lifecycle import JobState

Dice = random.Random
#: Longer than the broker waits for any command.
HANGS = "late 75"


class Fault:
    """Nothing goes wrong; the base of all others."""

    terrain = Terrain()
    fire: type[Fire] = Fire
    #: Which part of the jobs counts, and can be moved.
    counting = 0.0
    #: In how many bursts the jobs are submitted.
    bursts = 12
    #: True if it may end the programs of jobs.
    mortal = False

    def prepare(self, place: Path, stack: ExitStack) -> None:
        """Before there is a broker."""

    def before(self, fire: Fire) -> None:
        """Before each burst of submissions."""

    def strike(self, fire: Fire, ground: Ground, dice: Dice) -> None:
        """Something goes wrong."""

    def calm(self, fire: Fire, ground: Ground) -> None:
        """It is well again."""


class Kills(Fault):
    """The engine is ended by kill -9 at any moment."""

    def strike(self, fire: Fire, ground: Ground, dice: Dice) -> None:
        """Another one starts at once."""
        fire.kill()
        fire.start()


class Steps(Fault):
    """The engine ends itself by kill -9 at a numbered step, before or after it."""

    bursts = 20

    def __init__(self) -> None:
        self._tried: set[str] = set()

    def before(self, fire: Fire) -> None:
        """The next engine finds work from its first to its last step."""
        jobs = fire.jobs()
        if jobs:
            eventually(lambda: any(job.state.is_end for job in fire.jobs()), "the first end")
            fire.kill()

    def strike(self, fire: Fire, ground: Ground, dice: Dice) -> None:
        """A step that another engine has passed; each is tried before any is tried again."""
        if fire.engine is None:
            left = sorted(set(fire.points()) - self._tried)
            point = dice.choice(left or fire.points())
            self._tried.add(point)
            fire.start(point)
            fire.may_end(12.0)


class Words(Fault):
    """The stand-in misbehaves, perhaps while engines are killed."""

    def __init__(self, *words: str, kills: bool = False, terrain: Terrain | None = None) -> None:
        self.words, self.kills = words, kills
        self.terrain = terrain or Terrain()

    def strike(self, fire: Fire, ground: Ground, dice: Dice) -> None:
        """One of its words."""
        ground.fault(dice.choice(self.words))
        if self.kills:
            time.sleep(dice.uniform(0.0, 1.0))
            fire.kill()
            fire.start()

    def calm(self, fire: Fire, ground: Ground) -> None:
        """Commands that hang already go on to hang."""
        ground.fault("")


class Full(Fault):
    """The disks of the jobs, of the database, or of both have no room."""

    terrain = Terrain(small=64)

    def prepare(self, place: Path, stack: ExitStack) -> None:
        """The database gets a small file system, too."""
        self._data = place / "fire" / "data"
        self._data.mkdir(parents=True)
        mount_small(self._data, 64, stack)

    def strike(self, fire: Fire, ground: Ground, dice: Dice) -> None:
        """Until it is calm again."""
        which = dice.choice(("jobs", "data", "both"))
        if which != "data":
            ground.fill()
        if which != "jobs":
            fill(self._data / "ballast")

    def calm(self, fire: Fire, ground: Ground) -> None:
        """Room again."""
        ground.clear()
        (self._data / "ballast").unlink(missing_ok=True)


class Cuts(Fault):
    """The cluster is behind SSH, and the connections are cut."""

    terrain = Terrain(ssh=True)

    def strike(self, fire: Fire, ground: Ground, dice: Dice) -> None:
        """Again and again."""
        for _ in range(dice.randint(1, 4)):
            ground.cut()
            time.sleep(dice.uniform(0.0, 0.6))


class Daemon(Fault):
    """The daemon of a real system is ended by kill -9, and started again."""

    mortal = True

    def strike(self, fire: Fire, ground: Ground, dice: Dice) -> None:
        """Down for some seconds, every other time."""
        from real_systems import SYSTEMS, kill_daemon, restart_daemon

        if dice.random() < 0.5:
            system = SYSTEMS[ground.system.removeprefix("real-")]
            kill_daemon(system)
            time.sleep(dice.uniform(0.0, 3.0))
            restart_daemon(system)


class Moves(Fault):
    """Jobs are suspended, resumed and moved at random while engines are killed."""

    counting = 0.5

    def strike(self, fire: Fire, ground: Ground, dice: Dice) -> None:
        """Some wishes, then a kill, half of the time before they can be carried out."""
        time.sleep(dice.uniform(0.5, 2.0))  # most of them run by then
        live = [job for job in fire.jobs() if not job.state.is_end]
        for job in dice.sample(live, min(len(live), 6)):
            if job.state is JobState.SUSPENDED:
                fire.wish("resume", job.id)
            elif "count.py" in job.description and dice.random() < 0.6:
                host, target = dice.choice((("main", "other"), ("other", "main")))
                old, new = f"<hostname>{host}.", f"<hostname>{target}."
                fire.wish("migrate", job.id, job.description.replace(old, new))
            else:
                fire.wish("suspend", job.id)
        if dice.random() < 0.5:
            time.sleep(dice.uniform(0.0, 2.0))
            fire.kill()
            fire.start()


class Serving(Fault):
    """The whole service is ended by kill -9 while clients submit and repeat what they submit."""

    fire = ServedFire

    def strike(self, fire: Fire, ground: Ground, dice: Dice) -> None:
        """The clients are still at it."""
        time.sleep(dice.uniform(0.0, 1.0))
        fire.kill()
        fire.start()


_REUSED = Terrain(settings={"last_id": 40})
_OFF = 600.0


class Clock(Kills):
    """The cluster's clocks are ten minutes off while engines are killed."""

    def __init__(self, clock: float) -> None:
        self.terrain = Terrain(clock=clock)


#: Faults of every system; the rest is a stand-in's or a real system's own.
_EVERYWHERE: dict[str, Callable[[], Fault]] = {
    "none": Fault,
    "kill": Kills,
    "step": Steps,
    "service": Serving,
    "moves": Moves,
}
_OURS: dict[str, Callable[[], Fault]] = {
    "ssh": Cuts,
    "ahead": lambda: Clock(_OFF),
}
_STAND_IN: dict[str, Callable[[], Fault]] = {
    "down": lambda: Words("down"),
    "empty": lambda: Words("empty"),
    "lost": lambda: Words("lost"),
    "late": lambda: Words("late 2", "late 4", "late 4", HANGS),
    "partial": lambda: Words("partial"),
    "foreign": lambda: Words("foreign"),
    "forgets": lambda: Words("forgets"),
    "reused": lambda: Words("lost", "empty", kills=True, terrain=_REUSED),
    "all": lambda: Words(
        "down", "empty", "lost", "late 3", "partial", "foreign", "forgets", "",
        kills=True, terrain=replace(_REUSED, clock=-_OFF),
    ),
}  # fmt: skip


def faults_of(system: str) -> dict[str, Callable[[], Fault]]:
    """The faults that a system can have here."""
    if system in REAL:
        return {**_EVERYWHERE, "daemon": Daemon}
    full = {"full": Full} if may_mount() else {}
    return {**_EVERYWHERE, **full, **_OURS, **(_STAND_IN if system in STAND_INS else {})}


#: All names, in the order of the tables.
NAMES = tuple({**faults_of("pbs"), **faults_of("real-sge"), "full": Full})
