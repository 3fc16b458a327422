"""Threads that parse at once do not get each other's mistakes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from gjd_documents import job

from grms.errors import DescriptionError
from grms.gjd.parse import parse

THREADS, ROUNDS = 8, 25


def test_every_thread_gets_its_own_verdict():
    together = Barrier(THREADS, timeout=120)

    def work(me: int) -> list[str]:
        together.wait()
        return [verdict(me) for _ in range(ROUNDS)]

    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(work, range(THREADS)))
    assert results == [[expected(me)] * ROUNDS for me in range(THREADS)]


def verdict(me: int) -> str:
    """What parsing thread ``me``'s document says: every second one is good."""
    try:
        inside = "" if me % 2 else f"<wrong{me}/>"
        return parse("\n" * me + job(inside, root=f'appid="{me}"')).appid
    except DescriptionError as error:
        return " ".join(f"{mistake.line}:{mistake.path}" for mistake in error.mistakes)


def expected(me: int) -> str:
    return str(me) if me % 2 else f"{me + 1}:/grmsjob/simplejob/executable/wrong{me}"
