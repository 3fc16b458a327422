"""The two processes of a broker: one answers callers, one works. Neither waits for the other.

They meet in the store alone, so each may be killed at any time; the first starts the second again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from grms.api.app import make_app
from grms.broker.service import Service
from grms.config import Settings, environment
from grms.errors import ConfigError
from grms.server import guard
from grms.server.logs import set_up_logging
from grms.server.poke import Poker
from grms.server.wiring import (
    SystemClock,
    declare_clusters,
    make_data_dir,
    make_policy,
    make_stager,
    opened,
)

log = logging.getLogger(__name__)
_RESTART_PAUSE = 1.0
#: Seconds an asked engine has for its end before it is killed, and open calls for theirs.
_ENGINE_END = 9.0
_CALLS_END = 3
#: Seconds to get over whoever only looks whether a service runs.
_GLANCE = 2.0


class Supervisor:
    """Keeps an engine process alive while the service runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="grms-supervisor", daemon=True)

    def start(self) -> None:
        """Start the engine and the watch over it."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the engine to end, and wait: what is under way is brought to its end if it can."""
        self._stopping.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(timeout=_ENGINE_END)
        if self._thread.is_alive() and self._process is not None:
            log.warning("the engine does not end and is killed; the next one goes on")
            self._process.kill()
            self._thread.join(timeout=_ENGINE_END)

    def _keep(self) -> None:
        while not self._stopping.is_set():
            # Its stdin is a lifeline: it ends with us, however we end. Without -P a directory
            # "grms" where we were started would be taken for our modules.
            with subprocess.Popen(
                [sys.executable, "-P", "-m", "grms.server.working"],
                env={**os.environ, **environment(self._settings)},
                stdin=subprocess.PIPE,
            ) as process:
                self._process = process
                if self._stopping.is_set():
                    process.terminate()
                code = process.wait()
            if not self._stopping.is_set():
                log.error("the engine ended with %s; it is started again", code)
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
