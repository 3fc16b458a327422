"""The process that works: an engine over the store, until it is asked to stop."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from typing import IO

from grms.broker.engine import Engine
from grms.broker.vitals import Vitals, write_vitals
from grms.config import Settings, load
from grms.errors import GrmsError
from grms.server import guard
from grms.server.identity import disown_the_dead, engine_name
from grms.server.logs import set_up_logging
from grms.server.poke import Listener
from grms.server.wiring import SiteBook, make_data_dir, make_edges, make_store

log = logging.getLogger("grms.server.working")
#: Seconds an engine waits for the one before it, whose service may have died just now.
_PREDECESSOR = 60.0
_SIGN_OF_LIFE = 2.0


def run_engine(settings: Settings, lifeline: IO[bytes] | None = None) -> None:
    """Be the engine until SIGTERM, or until whoever holds the ``lifeline`` is gone.

    Raises ConfigError when another engine keeps the data directory.
    """
    set_up_logging(settings)
    make_data_dir(settings)
    with guard.held(settings.data_dir, guard.ENGINE, patience=_PREDECESSOR):
        if not _work(settings, lifeline):
            logging.shutdown()
            os._exit(0)  # a thread hangs in a transfer: waiting for it would help nobody


def _work(settings: Settings, lifeline: IO[bytes] | None) -> bool:
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


def _follow(lifeline: IO[bytes], engine: Engine) -> None:
    lifeline.read()  # nothing comes by it but its end
    log.warning("the service is gone: the engine stops")
    engine.stop()


def main() -> None:
    """The engine as the service starts it: settings in the environment, the lifeline on stdin.

    An error at the start is one line in the log.
    """
    settings = load()
    try:
        run_engine(settings, sys.stdin.buffer)
    except GrmsError as error:
        set_up_logging(settings)
        log.error("the engine cannot start: %s", error.message)
        sys.exit(1)


if __name__ == "__main__":
    main()
