"""A whole service under fire, in a process of its own, with clients that repeat themselves."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from checker import Broken
from fire import PATIENCE, Fire

from grms.client.api import Client
from grms.errors import GrmsError

_CLIENTS = 4
_PAUSE = 0.1


class ServedFire(Fire):
    """``send`` gives a key at once; clients submit in the background until they have an id."""

    def __init__(self, place: Path, account: str = "", **settings: str) -> None:
        super().__init__(place, account, port="0", **settings)
        self._token = self._server("user", "add", "alice", "--account", account)
        self._clients = ThreadPoolExecutor(_CLIENTS)
        self._answers: dict[str, list[Future[str]]] = {}

    def _server(self, *words: str) -> str:
        argv = [sys.executable, "-m", "grms.server", *words]
        return subprocess.run(
            argv, env=self.env, text=True, capture_output=True, check=True
        ).stdout.strip()

    def start(self, kill_at: str = "") -> None:
        """Start the service with its engine; it answers a moment later."""
        (self.settings.data_dir / "address").unlink(missing_ok=True)
        with (self.place / "engine.log").open("ab") as log:
            self.engine = subprocess.Popen(
                [sys.executable, "-m", "grms.server", "serve"],
                env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        """kill -9 to the service and its engine."""
        if self.engine is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.engine.pid, signal.SIGKILL)
        super().kill()

    def close(self) -> None:
        """The clients give up, too."""
        self._clients.shutdown(cancel_futures=True)
        super().close()

    def send(self, text: str, key: str = "") -> str:
        """Two clients submit the same with one key, each until it is told an id."""
        told = [self._clients.submit(self._until_accepted, text, key) for _ in range(2)]
        self._answers[key] = told
        return key

    def _until_accepted(self, text: str, key: str) -> str:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                url = (self.settings.data_dir / "address").read_text().strip()
                with Client(url, token=self._token) as client:
                    return client.submit(text, key=key)
            except (GrmsError, OSError) as error:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{key} was never accepted: {error}") from error
                time.sleep(_PAUSE)

    def accepted(self) -> tuple[dict[str, str], list[Broken]]:
        """key -> id, and the promises of acceptance that were broken."""
        ids, broken = dict[str, str](), list[Broken]()
        told_by_key = {key: {a.result() for a in told} for key, told in self._answers.items()}
        there = {job.id for job in self.jobs()}
        for key, told in told_by_key.items():
            ids[key] = min(told)
            if len(told) > 1:
                broken.append(Broken("doubled", ids[key], f"{key} was accepted as {sorted(told)}"))
            broken += [Broken("lost", gone, "accepted, and not there") for gone in told - there]
        broken += [
            Broken("doubled", more, "nobody was told this id") for more in there - {*ids.values()}
        ]
        return ids, broken
