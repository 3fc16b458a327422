"""A job is suspended, resumed and migrated with its checkpoint, over the real service."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from broker import Broker, eventually
from moving import COUNT, counting_job, fork_clusters, outcome, steps_done, undisturbed

Start = Callable[..., Broker]


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[Start]:
    """Starts a broker with the fork clusters a, b and c, or others."""
    started: list[Broker] = []

    def start(names: str = "abc", env: dict[str, str] | None = None, **keys: object) -> Broker:
        place = tmp_path / "broker"
        clusters = fork_clusters(tmp_path / "grid", names, **keys)
        roots = f"{place / 'files'}:{COUNT.parent}"
        found = Broker(
            place, {"GRMS_CLUSTERS_FILE": clusters, "GRMS_FILE_ROOTS": roots, **(env or {})}
        )
        found.start()
        started.append(found)
        return found

    yield start
    for found in started:
        found.kill()


def _hosts(broker: Broker, job_id: str) -> list[str]:
    return [attempt.cluster for attempt in broker.attempts(job_id)]


def _running_on(broker: Broker, job_id: str, cluster: str) -> Callable[[], bool]:
    return lambda: _hosts(broker, job_id)[-1] == cluster and broker.state(job_id) == "RUNNING"


def test_forced_moves_with_a_broker_killed_in_between_change_nothing_of_the_result(
    grid: Start,
) -> None:
    broker, steps = grid(), 300
    out, log = broker.files / "result", broker.files / "log"
    dice = random.Random(20261127)
    with broker.client() as client:
        job_id = client.submit(counting_job(out, steps, 0.1, host="a.grid", log=log))
    for target in "bcabc":
        eventually(lambda: broker.state(job_id) == "RUNNING", "the job to run")
        seen = len(steps_done(log))
        eventually(lambda seen=seen: len(steps_done(log)) > seen + 3, "some steps")
        with broker.client() as client:
            client.migrate(job_id, counting_job(out, steps, 0.1, host=f"{target}.grid", log=log))
        if dice.random() < 0.7:
            pause = dice.random() * 2
            eventually(_after(pause), "a random moment")
            broker.kill()
            broker.start()
        eventually(_running_on(broker, job_id, target), f"the job to run on {target}")
    assert broker.wait(job_id) == "FINISHED"
    assert _hosts(broker, job_id) == ["a", "b", "c", "a", "b", "c"]
    assert int(out.read_text()) == undisturbed(steps)
    done = steps_done(log)
    assert [step for _, _, step in done] == list(range(1, steps + 1))  # none lost, none twice
    assert all(end <= begin for (_, end, _), (begin, _, _) in pairwise(done))
    assert Path(f"{out}.stdout").read_text().split() == _printed(steps)


def _printed(steps: int) -> list[str]:
    return " ".join(f"step {n}" for n in range(10, steps + 1, 10)).split()


def _after(seconds: float) -> Callable[[], bool]:
    import time

    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def test_a_checkpointable_job_is_suspended_off_its_resource_and_goes_on_from_its_checkpoint(
    grid: Start,
) -> None:
    broker, steps = grid("ab"), 60
    out, log = broker.files / "result", broker.files / "log"
    with broker.client() as client:
        job_id = client.submit(counting_job(out, steps, 0.1, log=log))
        eventually(lambda: len(steps_done(log)) > 3, "some steps")
        client.suspend(job_id)
        broker.wait(job_id, "SUSPENDED")
        assert "off its resource" in outcome(broker, job_id)
        assert broker.attempts(job_id)[-1].phase.name == "ENDED"
        client.resume(job_id)
        assert broker.wait(job_id) == "FINISHED"
    assert [step for _, _, step in steps_done(log)] == list(range(1, steps + 1))
    assert int(out.read_text()) == undisturbed(steps)
    assert len(broker.attempts(job_id)) == 2


def test_a_move_to_nowhere_better_is_an_answer_and_the_job_runs_on(grid: Start) -> None:
    broker = grid("a")
    out, log = broker.files / "result", broker.files / "log"
    with broker.client() as client:
        job_id = client.submit(counting_job(out, 40, 0.1, log=log))
        eventually(lambda: len(steps_done(log)) > 1, "some steps")
        client.migrate(job_id)
        assert "NOTHING_BETTER" in outcome(broker, job_id)
        assert client.info(job_id).error_description == ""
        assert broker.wait(job_id) == "FINISHED"
    assert _hosts(broker, job_id) == ["a"]


def test_a_running_job_without_a_checkpoint_is_not_moved(grid: Start) -> None:
    broker = grid("ab")
    out, log = broker.files / "result", broker.files / "log"
    with broker.client() as client:
        job_id = client.submit(
            counting_job(out, 40, 0.1, log=log, host="a.grid", checkpointable=False)
        )
        eventually(lambda: len(steps_done(log)) > 1, "some steps")
        client.migrate(
            job_id, counting_job(out, 40, 0.1, log=log, host="b.grid", checkpointable=False)
        )
        assert "NOT_CHECKPOINTABLE" in outcome(broker, job_id)
        assert broker.wait(job_id) == "FINISHED"


def test_a_job_whose_processes_died_goes_on_from_its_checkpoint(grid: Start) -> None:
    broker, steps = grid("ab", {"GRMS_CALLS_PER_MINUTE": "600"}), 60
    out, log = broker.files / "result", broker.files / "log"
    with broker.client() as client:
        job_id = client.submit(counting_job(out, steps, 0.1, log=log))
        eventually(lambda: len(steps_done(log)) > 3, "some steps")
        client.suspend(job_id)
        broker.wait(job_id, "SUSPENDED")
        seen = len(steps_done(log))
        client.resume(job_id)
        eventually(lambda: len(steps_done(log)) > seen + 3, "more steps")
        broker.kill_wrapper(job_id)
        assert broker.wait(job_id) == "FINISHED"
    assert int(out.read_text()) == undisturbed(steps)
    assert len(broker.attempts(job_id)) == 3


def test_the_finer_status_follows_the_table_of_migration(grid: Start) -> None:
    broker = grid("ab")
    out, log = broker.files / "result", broker.files / "log"
    with broker.client() as client:
        job_id = client.submit(counting_job(out, 40, 0.1, log=log, host="a.grid"))
        eventually(lambda: len(steps_done(log)) > 1, "some steps")
        client.migrate(job_id, counting_job(out, 40, 0.1, log=log, host="b.grid"))
        assert broker.wait(job_id) == "FINISHED"
    names = [event.text for event in broker.events(job_id) if event.kind.name == "STATUS"]
    assert [name for name in names if name.startswith("MIGRATE")] == [
        "MIGRATE_QUEUED",
        "MIGRATE_EXEC_SUSPEND",
        "MIGRATE_EXEC_SUSPEND_DONE",
        "MIGRATE_STAGE_OUT",
        "MIGRATE_STAGE_OUT_DONE",
        "MIGRATE_QUEUED",
        "MIGRATE_RESOURCE",
        "MIGRATE_RESOURCE_DONE",
        "MIGRATE_STAGE_IN",
        "MIGRATE_STAGE_IN_DONE",
        "MIGRATE_SUBMIT",
        "MIGRATE_DONE",
    ]
