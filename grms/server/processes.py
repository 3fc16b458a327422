"""The two processes of a broker: one answers callers, one works. Neither waits for the other.

They meet in the store alone, so each may be killed at any time; the first starts the second again.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from grms.api.app import make_app
from grms.broker.engine import Engine
from grms.broker.service import Service
from grms.broker.vitals import Vitals, write_vitals
from grms.config import Settings
from grms.errors import ConfigError, GrmsError
from grms.server import guard
from grms.server.identity import disown_the_dead, engine_name
from grms.server.poke import Listener, Poker
from grms.server.wiring import (
    SiteBook,
    SystemClock,
    declare_clusters,
    make_data_dir,
    make_edges,
    make_policy,
    make_stager,
    make_store,
    opened,
)

log = logging.getLogger(__name__)
_RESTART_PAUSE = 1.0
#: Seconds an engine waits for the one before it, whose service may have died just now.
_PREDECESSOR = 60.0
#: Seconds an asked engine has for its end before it is killed, and open calls for theirs.
_ENGINE_END = 9.0
_CALLS_END = 3
_SIGN_OF_LIFE = 2.0
#: Seconds to get over whoever only looks whether a service runs.
_GLANCE = 2.0


def set_up_logging(settings: Settings) -> None:
    """Records go to standard error, one line each."""
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s",
    )
    for noisy in ("apscheduler", "alembic", "paramiko", "httpx", "httpcore", "spyne"):
        logging.getLogger(noisy).setLevel("WARNING")


def run_engine(settings: Settings, lifeline: Connection | None = None) -> None:
    """Be the engine until SIGTERM, or until whoever holds the ``lifeline`` is gone.

    Raises ConfigError when another engine keeps the data directory.
    """
    set_up_logging(settings)
    make_data_dir(settings)
    with guard.held(settings.data_dir, guard.ENGINE, patience=_PREDECESSOR):
        if not _work(settings, lifeline):
            logging.shutdown()
            os._exit(0)  # a thread hangs in a transfer: waiting for it would help nobody


def _engine_process(settings: Settings, lifeline: Connection) -> None:
    """The engine as the service starts it: an error at its start is one line in the log."""
    try:
        run_engine(settings, lifeline)
    except GrmsError as error:
        log.error("the engine cannot start: %s", error.message)
        sys.exit(1)


def _work(settings: Settings, lifeline: Connection | None) -> bool:
    store = make_store(settings)
    sites = SiteBook()
    disown_the_dead(store)
    engine = Engine(make_edges(settings, store, sites), engine_name())
    signal.signal(signal.SIGTERM, lambda *_: engine.stop())
    signal.signal(signal.SIGINT, signal.SIG_IGN if lifeline else lambda *_: engine.stop())
    listener = Listener(settings.data_dir, engine.wake)
    if lifeline is not None:
        threading.Thread(target=_follow, args=(lifeline, engine), daemon=True).start()
    ended = threading.Event()
    signs = threading.Thread(
        target=_give_signs, args=(settings, engine, sites, ended), name="grms-signs"
    )
    signs.start()
    try:
        log.info("engine %s works on %s", engine.name, settings.data_dir)
        ended_well = engine.run()
        if ended_well:
            store.disown(engine.name)  # whoever comes next need not wait for our leases
        return ended_well
    finally:
        ended.set()
        signs.join()
        listener.close()
        sites.close()
        store.close()


def _give_signs(
    settings: Settings, engine: Engine, sites: SiteBook, ended: threading.Event
) -> None:
    """Tell the other process, through a file, that the engine's turns go on."""
    while True:
        vitals = Vitals(engine.name, os.getpid(), engine.turned_at, sites.calls.last_minute())
        with contextlib.suppress(OSError):  # a full disk is told by those who need the room
            write_vitals(settings.data_dir, vitals)
        if ended.wait(_SIGN_OF_LIFE):
            return


def _follow(lifeline: Connection, engine: Engine) -> None:
    try:
        lifeline.recv()
    except (EOFError, OSError):
        log.warning("the service is gone: the engine stops")
    engine.stop()


class Supervisor:
    """Keeps an engine process alive while the service runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context = multiprocessing.get_context("spawn")
        self._stopping = threading.Event()
        self._process: SpawnProcess | None = None
        self._thread = threading.Thread(target=self._keep, name="grms-supervisor", daemon=True)

    def start(self) -> None:
        """Start the engine and the watch over it."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the engine to end, and wait: what is under way is brought to its end if it can."""
        self._stopping.set()
        if self._process is not None and self._process.pid and self._process.is_alive():
            self._process.terminate()
        self._thread.join(timeout=_ENGINE_END)
        if self._thread.is_alive() and self._process is not None:
            log.warning("the engine does not end and is killed; the next one goes on")
            self._process.kill()
            self._thread.join(timeout=_ENGINE_END)

    def _keep(self) -> None:
        while not self._stopping.is_set():
            ours, theirs = self._context.Pipe()
            process = self._context.Process(
                target=_engine_process, args=(self._settings, theirs), name="grms-engine"
            )
            process.start()
            theirs.close()
            self._process = process
            if self._stopping.is_set():
                process.terminate()
            process.join()
            ours.close()
            if not self._stopping.is_set():
                log.error("the engine ended with %s; it is started again", process.exitcode)
                self._stopping.wait(_RESTART_PAUSE)


def bind(settings: Settings) -> socket.socket:
    """The listening socket. Raises ConfigError when the address cannot be had, with the cure."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}; "
            "choose another with --port or GRMS_PORT, or end what uses it"
        ) from error
    listening.listen(512)
    return listening


def serve(settings: Settings, *, with_engine: bool = True) -> None:
    """Serve until SIGTERM or SIGINT. ``address`` in the data directory says where.

    Raises ConfigError when the address or the data directory cannot be had.
    """
    set_up_logging(settings)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    make_data_dir(settings)
    with (
        guard.held(settings.data_dir, guard.SERVER, patience=_GLANCE),
        contextlib.closing(bind(settings)) as listening,
        opened(settings) as store,
        contextlib.closing(Poker(settings.data_dir)) as poker,
    ):
        declare_clusters(store, settings)
        policy = make_policy(settings)
        service = Service(store, make_stager(settings), SystemClock(), poker, policy)
        app = make_app(service, store, settings, with_engine=with_engine)
        url = _announce(settings, listening)
        supervisor = Supervisor(settings) if with_engine else None
        try:
            if supervisor is not None:
                supervisor.start()
            log.info("serving on %s/axis/services/grms", url)
            uvicorn.Server(_server_config(app)).run(sockets=[listening])
        finally:
            signal.signal(signal.SIGTERM, _stay)
            signal.signal(signal.SIGINT, _stay)
            if supervisor is not None:
                supervisor.stop()
            (settings.data_dir / "server.pid").unlink(missing_ok=True)
            log.info("stopped; jobs go on without us")


def _leave(*_: object) -> None:
    """Leave by way of every ``finally``. uvicorn raises a signal again once its calls are done."""
    sys.exit(0)


def _stay(*_: object) -> None:
    """The end is under way already, and bounded."""


def _server_config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_CALLS_END,
    )


def _announce(settings: Settings, listening: socket.socket) -> str:
    """Write down where we listen and who we are; the answer is the service's URL."""
    host, port = listening.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    _write_whole(settings.data_dir / "address", f"{url}\n")
    _write_whole(settings.data_dir / "server.pid", f"{os.getpid()}\n")
    return url


def _write_whole(path: Path, text: str) -> None:
    """Under a temporary name first: whoever waits for the file never reads half of it."""
    part = path.with_name(f".{path.name}")
    part.write_text(text, "utf-8")
    part.replace(path)
