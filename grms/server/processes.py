"""The two processes of a broker: one answers callers, one works. Neither waits for the other.

They meet in the store alone, so each may be killed at any time; the first starts the second again.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import threading
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

import uvicorn

from grms.api.app import make_app
from grms.broker.engine import Engine
from grms.broker.service import Service
from grms.config import Settings
from grms.errors import ConfigError
from grms.server.identity import disown_the_dead, engine_name
from grms.server.poke import Listener, Poker
from grms.server.wiring import (
    SiteBook,
    SystemClock,
    declare_clusters,
    make_edges,
    make_policy,
    make_stager,
    make_store,
)

log = logging.getLogger(__name__)
_RESTART_PAUSE = 1.0


def set_up_logging(settings: Settings) -> None:
    """Records go to standard error, one line each."""
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s",
    )
    for noisy in ("apscheduler", "alembic", "paramiko", "httpx", "httpcore", "spyne"):
        logging.getLogger(noisy).setLevel("WARNING")


def run_engine(settings: Settings, lifeline: Connection | None = None) -> None:
    """Be the engine until SIGTERM, or until whoever holds the ``lifeline`` is gone."""
    set_up_logging(settings)
    store = make_store(settings)
    sites = SiteBook()
    disown_the_dead(store)
    engine = Engine(make_edges(settings, store, sites), engine_name())
    signal.signal(signal.SIGTERM, lambda *_: engine.stop())
    signal.signal(signal.SIGINT, signal.SIG_IGN if lifeline else lambda *_: engine.stop())
    listener = Listener(settings.data_dir, engine.wake)
    if lifeline is not None:
        threading.Thread(target=_follow, args=(lifeline, engine), daemon=True).start()
    try:
        log.info("engine %s works on %s", engine.name, settings.data_dir)
        engine.run()
    finally:
        listener.close()
        sites.close()
        store.close()


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
        """Ask the engine to end, and wait: what is under way is brought to its end first."""
        self._stopping.set()
        if self._process is not None and self._process.pid and self._process.is_alive():
            self._process.terminate()
        self._thread.join(timeout=60)

    def _keep(self) -> None:
        while not self._stopping.is_set():
            ours, theirs = self._context.Pipe()
            process = self._context.Process(
                target=run_engine, args=(self._settings, theirs), name="grms-engine"
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
    """Serve until SIGTERM or SIGINT. ``address`` in the data directory says where."""
    set_up_logging(settings)
    listening = bind(settings)
    store = make_store(settings)
    poker = Poker(settings.data_dir)
    supervisor = Supervisor(settings) if with_engine else None
    try:
        declare_clusters(store, settings)
        policy = make_policy(settings)
        service = Service(store, make_stager(settings), SystemClock(), poker, policy)
        config = uvicorn.Config(
            make_app(service, store, settings), log_config=None, access_log=False, lifespan="off"
        )
        host, port = listening.getsockname()[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        (settings.data_dir / "address").write_text(f"{url}\n", "utf-8")
        (settings.data_dir / "server.pid").write_text(f"{os.getpid()}\n", "utf-8")
        if supervisor is not None:
            supervisor.start()
        log.info("serving on %s/axis/services/grms", url)
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        if supervisor is not None:
            supervisor.stop()
        poker.close()
        store.close()
        listening.close()
        (settings.data_dir / "server.pid").unlink(missing_ok=True)
