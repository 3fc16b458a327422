"""A broker to speak to, a home without settings, and the program run in this process."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fake_broker import FakeBroker

from grms.client import Client, cli
from grms.client.session import Session


@pytest.fixture(params=["inline", "href"])
def broker(request: pytest.FixtureRequest) -> Iterator[FakeBroker]:
    """A broker that answers with values inline, then one that answers by reference."""
    made = FakeBroker(request.param)
    yield made
    made.close()


@pytest.fixture
def plain_broker() -> Iterator[FakeBroker]:
    """A broker where the form of the answers does not matter."""
    made = FakeBroker()
    yield made
    made.close()


@pytest.fixture
def client(broker: FakeBroker) -> Iterator[Client]:
    """A client that does not sleep between tries."""
    with Client(broker.url, sleep=lambda _seconds: None) as made:
        yield made


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh home directory; no variable of the machine reaches the client."""
    for name in list(os.environ):
        if name.startswith(("GRMS_", "XDG_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.xml").write_text('<grmsjob appid="render"/>', "utf-8")
    return tmp_path


@dataclass
class Outcome:
    """What a run of the program printed, and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``run(broker, "info", "x", stdin="")`` runs grms-client in this process."""

    def run(broker: FakeBroker | None, *words: str, stdin: str = "") -> Outcome:
        text = io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
        monkeypatch.setattr(sys, "stdin", text)
        if broker:
            monkeypatch.setenv("GRMS_SERVER", broker.url)
        code = cli.run(words, Session(sleep=lambda _seconds: None))
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return run
