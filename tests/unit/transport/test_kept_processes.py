"""A kept process answers one line after another; its end is never taken for success."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from grms.broker.ports.batch import Command, Kept
from grms.errors import SiteError
from grms.transport.local import LocalTransport

#: Says its process id and what it was asked; ends without a word when told to.
ECHO = """
import os, sys
for line in sys.stdin:
    if line == "end\\n":
        break
    if line == "hang\\n":
        while True: pass
    print(os.getpid(), line, end="", flush=True)
"""


@pytest.fixture
def local() -> Iterator[LocalTransport]:
    """A transport that is closed at the end."""
    transport = LocalTransport()
    yield transport
    transport.close()


def ask(transport: LocalTransport, word: str, timeout: float = 120) -> list[str]:
    kept = Kept((sys.executable, "-c", ECHO), f"{word}\n".encode())
    result = transport.run(Command(("false",), timeout=timeout, kept=kept))
    return ["timed out"] if result.timed_out else result.stdout.decode().split()


def test_one_process_answers_all(local: LocalTransport) -> None:
    first, second = ask(local, "one"), ask(local, "two")
    assert (first[1], second[1]) == ("one", "two")
    assert first[0] == second[0]


def test_an_end_without_an_answer_leaves_the_outcome_open(local: LocalTransport) -> None:
    with pytest.raises(SiteError, match="is not known") as caught:
        ask(local, "end")
    assert caught.value.transient


def test_after_its_end_another_is_started(local: LocalTransport) -> None:
    before = ask(local, "one")[0]
    with pytest.raises(SiteError):
        ask(local, "end")
    assert ask(local, "two")[0] != before


def test_one_that_does_not_answer_is_killed_at_the_timeout(local: LocalTransport) -> None:
    ask(local, "one")
    assert ask(local, "hang", timeout=0.2) == ["timed out"]
    assert ask(local, "two")[1] == "two"


def test_one_that_cannot_be_started_is_an_error_of_the_site(local: LocalTransport) -> None:
    kept = Kept(("/no/such/program",), b"line\n")
    with pytest.raises(SiteError, match="no/such/program"):
        local.run(Command(("false",), kept=kept))
