"""A broker that is killed with -9 loses nothing, runs nothing twice, and tells the truth."""

from __future__ import annotations

import random
from pathlib import Path

from broker import Broker, eventually
from jobs import shell_job


def _counting_job(tally: Path, number: int, code: int, seconds: float = 1.0) -> str:
    """Leaves one line in ``tally`` for each run, then ends with ``code``."""
    return shell_job(f"echo {number} >> {tally}; sleep {seconds}; exit {code}")


def _runs(tally: Path) -> list[str]:
    return tally.read_text().split() if tally.exists() else []


def test_jobs_that_run_while_the_broker_is_killed_end_once_with_their_true_exit_code(
    broker: Broker,
) -> None:
    tally = broker.files / "tally"
    codes = [0, 3, 0, 7, 0, 1]
    with broker.client() as client:
        ids = [client.submit(_counting_job(tally, n, code)) for n, code in enumerate(codes)]
    eventually(lambda: len(_runs(tally)) >= 2, "the first jobs to start")
    broker.kill()
    broker.start()
    states = [broker.wait(job_id) for job_id in ids]
    assert states == ["FINISHED" if code == 0 else "FAILED" for code in codes]
    assert sorted(_runs(tally)) == sorted(str(n) for n in range(len(codes)))
    with broker.client() as client:
        for job_id, code in zip(ids, codes, strict=True):
            if code:
                assert f"exit code {code}" in client.info(job_id).error_description


def test_a_broker_killed_again_and_again_at_random_moments_still_runs_each_job_once(
    broker: Broker,
) -> None:
    tally = broker.files / "tally"
    dice = random.Random(20261127)
    with broker.client() as client:
        ids = [client.submit(_counting_job(tally, n, 0, 0.2)) for n in range(25)]
    for _ in range(4):
        seen = len(_runs(tally))
        wanted = min(len(ids), seen + dice.randrange(1, 4))
        eventually(lambda wanted=wanted: len(_runs(tally)) >= wanted, "some jobs to start")
        broker.kill()
        broker.start()
    assert [broker.wait(job_id) for job_id in ids] == ["FINISHED"] * len(ids)
    assert sorted(_runs(tally), key=int) == [str(n) for n in range(len(ids))]


def test_an_accepted_job_is_there_after_a_kill_that_follows_at_once(broker: Broker) -> None:
    with broker.client() as client:
        job_id = client.submit(shell_job("true"))
    broker.kill()
    broker.start()
    assert broker.wait(job_id) == "FINISHED"


def test_a_cancel_outlives_a_kill(broker: Broker) -> None:
    tally = broker.files / "tally"
    with broker.client() as client:
        job_id = client.submit(shell_job(f"echo x >> {tally}; sleep 600"))
        broker.wait(job_id, "RUNNING")
        client.cancel(job_id)
    broker.kill()
    broker.start()
    assert broker.wait(job_id) == "CANCELED"
    assert _runs(tally) == ["x"]
