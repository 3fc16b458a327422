"""The real engine on a real store, in one thread and in virtual time."""

from __future__ import annotations

import contextlib
import logging
import random
import shutil
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sim_site import Faults, SimSites, SimStager, SimTransport
from sim_world import World

from grms.broker.edges import Edges
from grms.broker.engine import Engine
from grms.broker.lifecycle import LIVE, JobState
from grms.broker.records import Cluster, Principal
from grms.broker.service import Service
from grms.config import Settings
from grms.errors import GrmsError
from grms.store import SqlStore, migrate
from grms.store.database import Database, database_url

ALICE = Principal("/CN=alice")
SETTINGS = {"lease": 60.0, "news_interval": 10.0, "lost_after": 300.0, "probe_interval": 3600.0}
JOB = (
    '<grmsjob appid="sim"><simplejob><executable type="single">'
    '<file name="sh" type="in"><url>file:////bin/sh</url></file>'
    "<arguments><value>{seconds} {code}</value>{files}</arguments>{out}"
    "</executable></simplejob></grmsjob>"
)
INPUT = '<file name="in" type="in"><url>http://h/in</url></file>'


class Crash(BaseException):
    """The broker's process ends here, as by kill -9."""


class Inline(Executor):
    """Runs at once what an engine would give to its threads."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class CrashingStore:
    """The store, with a point before and after each durable write."""

    writes = frozenset({"apply", "claim", "accept", "wish", "lease"})

    def __init__(self, store: SqlStore, point: Callable[[str], None]) -> None:
        self._store = store
        self._point = point

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in self.writes:
            return method

        def pointed(*args: Any, **kwargs: Any) -> Any:
            self._point(f"{name}.before")
            result = method(*args, **kwargs)
            self._point(f"{name}.after")
            return result

        return pointed


class Defects(logging.Handler):
    """Keeps what the engine calls a defect of its own."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))


def make_template(directory: Path) -> Path:
    """An empty store, to be copied: migrations are run once."""
    path = directory / "empty.db"
    migrate(f"sqlite:///{path}", create=True)
    return path


class SimBroker:
    """Service, engine and world. ``trace`` is what was done, to reproduce a failure by hand."""

    def __init__(self, template: Path, place: Path, seed: int = 0) -> None:
        place.mkdir()
        self._dice = random.Random(seed)
        database = place / "grms.db"
        shutil.copy(template, database)
        self.world = World()
        self.faults = Faults()
        self.points: list[str] = []
        self._crash_in: int | None = None
        self.crashes = 0
        self.store = SqlStore(Database(database_url(f"sqlite:///{database}")))
        self.stager = SimStager()
        self.settings = Settings(data_dir=place, **SETTINGS)
        self.transport = SimTransport(self.world, self.faults, self.point)
        self.store.put_cluster(Cluster("sim", "sim", workdir="/w", host="sim"))
        self.service = Service(self.store, self.stager, self, lambda: None)  # type: ignore[arg-type]
        self.cleaned_at = 0.0
        self.engines = 0
        self.defects = Defects()
        logging.getLogger("grms").addHandler(self.defects)
        self._engine = self._new_engine()

    def now(self) -> datetime:
        """The broker's clock."""
        return self.world.time

    def close(self) -> None:
        logging.getLogger("grms").removeHandler(self.defects)
        self.store.close()

    # -- crashes ------------------------------------------------------------------------------

    def point(self, name: str) -> None:
        """Every durable write and every outside call goes by here."""
        self.points.append(name)
        if self._crash_in is not None:
            self._crash_in -= 1
            if self._crash_in <= 0:
                self._crash_in = None
                raise Crash(name)

    def crash_after(self, points: int) -> None:
        """Crash when so many points have been passed."""
        self._crash_in = points

    def _new_engine(self) -> Engine:
        self.engines += 1
        store = CrashingStore(self.store, self.point)
        sites = SimSites(self.transport)
        edges = Edges(store, sites, self.stager, self, self.settings)  # type: ignore[arg-type]
        return Engine(edges, f"engine-{self.engines}", Inline())

    def restart(self) -> None:
        """A new engine on the same store; the dead one's leases are freed."""
        self.store.disown(f"engine-{self.engines}")
        self._engine = self._new_engine()

    # -- work ---------------------------------------------------------------------------------

    def submit(self, seconds: int, code: int, *, staged: bool = False) -> str:
        out = "<stdout><url>http://h/out</url></stdout>" if staged else ""
        text = JOB.format(seconds=seconds, code=code, files=INPUT if staged else "", out=out)
        with patch("grms.broker.service.secrets.randbelow", self._dice.randrange):
            return self.service.submit(ALICE, text).job.id

    def wish(self, verb: str, job_id: str) -> None:
        """A wish that is not allowed (any more) is no fault."""
        with contextlib.suppress(GrmsError):
            getattr(self.service, verb)(ALICE, job_id)

    def turn(self) -> None:
        """One pass of the engine; a crash is followed by a restart."""
        try:
            self._engine.turn()
            if self.world.now - self.cleaned_at >= 10:
                self.cleaned_at = self.world.now
                self._engine.clean()
        except Crash:
            self.crashes += 1
            self.restart()

    def run_for(self, seconds: float) -> None:
        """Let time pass, with the engine at work."""
        until = self.world.now + seconds
        while self.world.now < until:
            self.turn()
            self.world.advance(min(until - self.world.now, self._pause()))
        self.turn()

    def _pause(self) -> float:
        due = self.store.next_due(LIVE)
        waits = [self._engine.pause(30.0), self.world.next_event() - self.world.now]
        if due is not None:
            waits.append((due - self.now()).total_seconds())
        return max(0.5, min(waits))

    def settle(self, hours: float = 4.0) -> None:
        """End all faults, let go what is held, and run until every job has ended."""
        self.faults.clear()
        self.stager.failing = 0
        self._crash_in = None
        until = self.world.now + hours * 3600
        while self.world.now < until:
            for native in self.world.of_state("held"):
                self.world.release(native)
            for native in self.world.of_state("suspended"):
                self.world.resume(native)
            for job_id in self.store.job_ids(_everything()):
                job = self.store.job(job_id)
                if job.state is JobState.SUSPENDED and not self.store.wishes([job_id]):
                    self.wish("resume", job_id)
                if job.parked:
                    self.service.release(Principal("/CN=admin", admin=True), job_id)
            self.run_for(60)
            if all(self.store.job(i).state.is_end for i in self.store.job_ids(_everything())):
                break
        self.run_for(60)


def _everything() -> Any:
    from grms.broker.ports.store import JobQuery

    return JobQuery()
