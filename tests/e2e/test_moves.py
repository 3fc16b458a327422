"""A job is suspended, resumed and migrated with its checkpoint, over the real service."""

from __future__ import annotations

import random
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from broker import Broker, eventually
from jobs import shell_job
from moving import (
    COUNT,
    QUICK,
    SLOW,
    counting_job,
    faster,
    fork_clusters,
    migrate_by_command,
    outcome,
    steps_done,
    undisturbed,
)

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
    broker, steps = grid(), 400
    out, log = broker.files / "result", broker.files / "log"
    dice = random.Random(20261127)
    with broker.client() as client:
        job_id = client.submit(counting_job(out, steps, SLOW, host="a.grid", log=log))
    for target, pace in zip("bcabc", [SLOW] * 4 + [QUICK], strict=True):
        eventually(lambda: broker.state(job_id) == "RUNNING", "the job to run")
        seen = len(steps_done(log))
        eventually(lambda seen=seen: len(steps_done(log)) > seen + 3, "some steps")
        there = counting_job(out, steps, pace, host=f"{target}.grid", log=log)
        migrate_by_command(broker, job_id, there)
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


def _with_service(text: str) -> str:
    """The counting job as a program that takes checkpoint calls itself."""
    files = f'<file name="service.py" type="in"><url>file://{COUNT.parent}/service.py</url></file>'
    text = text.replace("<value>count.py</value>", "<value>service.py</value>", 1)
    return text.replace('<file name="count.py"', files + '<file name="count.py"', 1)


@pytest.mark.parametrize("way", ["service", "command"])
def test_a_job_moves_by_the_way_that_it_registers_itself(grid: Start, way: str) -> None:
    broker, steps = grid("ab"), 60
    out, log = broker.files / "result", broker.files / "log"

    def job(host: str) -> str:
        text = counting_job(out, steps, 0.1, host=f"{host}.grid", log=log, checkpointable=False)
        return _with_service(text) if way == "service" else _with_command(text)

    with broker.client() as client:
        job_id = client.submit(job("a"))
        eventually(lambda: len(steps_done(log)) > 3, "some steps")
        eventually(lambda: _says(broker, job_id, "the job "), "the job to say how")
        client.migrate(job_id, job("b"))
        assert broker.wait(job_id) == "FINISHED"
    assert _hosts(broker, job_id) == ["a", "b"]
    assert int(out.read_text()) == undisturbed(steps)
    assert [step for _, _, step in steps_done(log)] == list(range(1, steps + 1))


def test_the_example_in_shell_moves_too(grid: Start) -> None:
    broker = grid("ab")
    shell = f'<file name="count.sh" type="in"><url>file://{COUNT.parent}/count.sh</url></file>'
    shell += f'<file name="result" type="out"><url>file://{broker.files}/result</url></file>'

    def job(host: str) -> str:
        resource = f"<resource><hostname>{host}.grid</hostname></resource>"
        text = shell_job("", files=shell, resource=resource)
        text = text.replace('type="single"', 'type="single" checkpointable="true"', 1)
        return re.sub(
            "<value>-c</value>.*?</value>", "<value>count.sh</value><value>8</value>", text
        )

    with broker.client() as client:
        job_id = client.submit(job("a"))
        eventually(lambda: _says(broker, job_id, "25"), "two steps")
        client.migrate(job_id, job("b"))
        assert broker.wait(job_id) == "FINISHED"
    assert _hosts(broker, job_id) == ["a", "b"]
    assert (broker.files / "result").read_text() == "counted to 8\n"
    told = [event.text for event in broker.events(job_id) if event.kind.name == "PROGRESS"]
    assert told == ["12", "25", "37", "50", "62", "75", "87", "100"]


def _says(broker: Broker, job_id: str, text: str) -> bool:
    return any(event.text.startswith(text) for event in broker.events(job_id))


def _with_command(text: str) -> str:
    """The counting job, started by a shell that says how it is checkpointed: by a command."""
    ask = "kill -USR1 $(cat pid); while kill -0 $(cat pid); do sleep 0.1; done; test -s count.state"
    script = (
        f"grms-job checkpointable --command '{ask}' && "
        f'{{ {sys.executable} "$@" & echo $! >pid; wait $!; code=$?; '
        "test $code = 85 && sleep 600; exit $code; }"
    )
    words = f"<value>-c</value><value>{escape(script)}</value><value>sh</value>"
    text = text.replace(f"file:///{sys.executable}", "file:////bin/sh", 1)
    return text.replace("<value>count.py</value>", words + "<value>count.py</value>", 1)


def test_what_a_job_says_from_inside_is_heard(grid: Start) -> None:
    broker = grid("a")
    go = broker.files / "go"
    script = (
        "echo kept >kept.txt; echo dropped >dropped.txt;"
        f"grms-job add-output kept.txt file://{broker.files}/kept.txt;"
        f"grms-job add-output dropped.txt file://{broker.files}/dropped.txt;"
        "grms-job add-output shadow file:///etc/shadow;"
        "grms-job delete dropped.txt; grms-job progress 40;"
        f"while [ ! -e {go} ]; do sleep 0.05; done"
    )
    with broker.client() as client:
        job_id = client.submit(shell_job(script))
        eventually(lambda: _says(broker, job_id, "40"), "the progress to arrive")
        names = [item.name for item in client.get_output(job_id)]
        assert names == ["kept.txt"]
        assert _says(broker, job_id, "shadow was not added")
        go.touch()
        assert broker.wait(job_id) == "FINISHED"
    assert (broker.files / "kept.txt").read_text() == "kept\n"
    assert not (broker.files / "dropped.txt").exists()


def test_a_job_that_ends_with_85_for_ever_is_parked_and_released_for_one_run_more(
    grid: Start,
) -> None:
    broker = grid("a")
    with broker.client() as client:
        job_id = client.submit(
            shell_job("echo 1 >state; exit 85", attributes='type="single" checkpointable="true"')
        )
        assert broker.wait(job_id) == "FAILED"
        assert "changed nothing of the checkpoint" in client.info(job_id).error_description
    assert len(broker.attempts(job_id)) == 4
    broker.run("release", job_id)
    eventually(lambda: len(broker.attempts(job_id)) == 5, "one run more")
    assert broker.wait(job_id) == "FAILED"
    assert job_id in broker.run("parked").stdout


def test_a_job_speaks_over_http_and_through_files_while_the_broker_is_away(grid: Start) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    broker = grid("a", {"GRMS_PORT": str(port), "GRMS_JOB_ADDRESS": address})
    away, back, said = (broker.files / name for name in ("away", "back", "said"))
    script = (
        f"grms-job add-output shadow file:///etc/shadow; echo $? >{said};"
        f"stat -c %a ../control/broker.json >>{said}; grms-job progress 1;"
        f"while [ ! -e {away} ]; do sleep 0.05; done; grms-job progress 2; touch {said}.away;"
        f"while [ ! -e {back} ]; do sleep 0.05; done; grms-job progress 3"
    )
    with broker.client() as client:
        job_id = client.submit(shell_job(script))
    eventually(lambda: _says(broker, job_id, "1"), "the first word")
    assert said.read_text() == "65\n600\n"  # refused at once: it was no file that said so
    broker.kill()
    away.touch()
    eventually(Path(f"{said}.away").exists, "the second word")
    broker.start()
    back.touch()
    assert broker.wait(job_id) == "FINISHED"
    told = [event.text for event in broker.events(job_id) if event.kind.name == "PROGRESS"]
    assert told == ["1", "2", "3"]


def test_a_job_that_ignores_the_request_is_suspended_in_place_and_says_so(grid: Start) -> None:
    broker = grid("a", {"GRMS_CHECKPOINT_DEADLINE": "0.5"})
    deaf = shell_job(
        "trap '' USR1; while :; do sleep 0.1; done",
        attributes='type="single" checkpointable="true"',
    )
    with broker.client() as client:
        job_id = client.submit(deaf)
        broker.wait(job_id, "RUNNING")
        client.suspend(job_id)
        broker.wait(job_id, "SUSPENDED")
        assert "in place, without a checkpoint" in outcome(broker, job_id)
        client.cancel(job_id)
        assert broker.wait(job_id) == "CANCELED"


def test_by_policy_a_job_that_writes_no_checkpoint_in_time_goes_on_from_its_last_good_one(
    grid: Start,
) -> None:
    policy = {"GRMS_CHECKPOINT_DEADLINE": "0.5", "GRMS_CHECKPOINT_OVERDUE": "last-checkpoint"}
    broker = grid("a", policy)
    deaf, out = broker.files / "deaf", broker.files / "out"
    script = (
        'if [ -z "$GRMS_CHECKPOINT" ]; then echo good >state; exit 85; fi;'
        f"if [ ! -e {deaf} ]; then trap '' USR1; echo half >state; touch {deaf};"
        f"while :; do sleep 0.1; done; fi; cat state >{out}"
    )
    with broker.client() as client:
        job_id = client.submit(shell_job(script, attributes='type="single" checkpointable="true"'))
        eventually(deaf.exists, "the second run")
        client.suspend(job_id)
        broker.wait(job_id, "SUSPENDED")
        assert "off its resource" in outcome(broker, job_id)
        assert _says(broker, job_id, "no checkpoint within its deadline: it is ended")
        client.resume(job_id)
        assert broker.wait(job_id) == "FINISHED"
    assert out.read_text() == "good\n"


def test_a_place_that_refuses_a_moving_job_costs_only_the_place(grid: Start) -> None:
    broker, steps = grid("ab"), 80
    out, log = broker.files / "result", broker.files / "log"
    blocked = broker.place.parent / "grid/b"
    with broker.client() as client:
        job_id = client.submit(counting_job(out, steps, 0.1, log=log, host="a.grid"))
        eventually(lambda: len(steps_done(log)) > 3, "some steps")
        shutil.rmtree(blocked / "jobs")
        (blocked / "jobs").write_text("no directory")
        either = counting_job(out, steps, 0.1, log=log)
        client.migrate(job_id, either)
        assert broker.wait(job_id) == "FINISHED"
    assert _hosts(broker, job_id) == ["a", "b", "a"]
    assert [step for _, _, step in steps_done(log)] == list(range(1, steps + 1))


def test_the_policy_moves_a_job_to_where_it_ends_clearly_sooner_and_explains_it(
    grid: Start, tmp_path: Path
) -> None:
    policy = {"POLICY": "better-off", "INTERVAL": "1", "MIN_STAY": "0", "MOVES_A_DAY": "1"}
    broker = grid("ab", {f"GRMS_MIGRATE_{name}": value for name, value in policy.items()})
    script = "trap 'echo >state; exit 85' USR1; p=1; while :; do grms-job progress $p; sleep 3; "
    script += "p=$((p + 1)); done"
    with broker.client() as client:
        job_id = client.submit(shell_job(script, attributes='type="single" checkpointable="true"'))
        broker.wait(job_id, "RUNNING")
    (here,) = _hosts(broker, job_id)
    there = "b" if here == "a" else "a"
    broker.kill()
    clusters = tmp_path / "grid/clusters.toml"
    faster(clusters, here, 1000)
    faster(clusters, there, 100_000)
    broker.start()
    eventually(_running_on(broker, job_id, there), "the policy to move it")
    why = [e.text for e in broker.events(job_id) if e.text.startswith("better-off wishes")]
    assert len(why) == 1
    assert f"on {there} (100000 MHz), moving included" in why[0]
    with broker.client() as client:
        client.cancel(job_id)
        assert broker.wait(job_id) == "CANCELED"
