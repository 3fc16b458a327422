"""How a job is checkpointed, what belongs to it, and where it is better off."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grms.broker import checkpointing
from grms.broker.checkpointing import Way
from grms.broker.records import (
    ApplicationAccess,
    Attempt,
    Cluster,
    Exit,
    FileDir,
    Measured,
    Phase,
)
from grms.broker.shelf import Checkpoint, Item
from grms.gjd.model import Direction, Executable, FileRef, JobDescription, JobType

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
ACCESS = ApplicationAccess("http://node:9/", 17)


def _job(*checkpoint: FileRef, checkpointable: bool = True) -> JobDescription:
    executable = Executable(
        JobType.SINGLE, checkpointable=checkpointable, checkpoint=tuple(checkpoint)
    )
    return JobDescription("job", executable)


def _attempt(number: int, cluster: str = "a", **fields: object) -> Attempt:
    return Attempt("job", number, cluster, f"t{number}", "/d", "", NOW, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("description", "said", "access", "way"),
    [
        (_job(checkpointable=False), None, None, None),
        (_job(), None, None, Way.WRAPPER),
        (_job(checkpointable=False), b'{"signal": "USR2"}', None, Way.WRAPPER),
        (_job(), b"{}", None, None),  # the job took it back
        (_job(), b"not json", None, None),
        (_job(checkpointable=False), None, ACCESS, Way.SERVICE),
        (_job(), b"{}", ACCESS, Way.SERVICE),
    ],
)
def test_the_first_way_that_applies_is_taken(
    description: JobDescription,
    said: bytes | None,
    access: ApplicationAccess | None,
    way: Way | None,
) -> None:
    assert checkpointing.way(description, said, access) is way


def test_a_checkpoint_without_named_files_is_the_whole_working_directory() -> None:
    assert checkpointing.items(_job(), []) == (Item(".", directory=True),)


def test_declared_and_registered_files_make_the_checkpoint() -> None:
    state = FileRef("state", Direction.OUT, "file:///s")
    items = checkpointing.items(_job(state), [FileDir("more", "", directory=True)])
    assert items == (Item("state"), Item("more", directory=True))


def test_only_what_goes_out_to_a_url_is_delivered() -> None:
    out = FileRef("state", Direction.OUT, "file:///s")
    coming = FileRef("start", Direction.IN, "file:///i")
    found = checkpointing.deliveries(_job(out, coming), [FileDir("kept", "")])
    assert found == ((Item("state"), "file:///s"),)


@pytest.mark.parametrize(
    ("raw", "ok"), [(b'{"ok": true}', True), (b'{"ok": false}', False), (b"rubbish", False)]
)
def test_an_answer_that_is_none_is_a_refusal(raw: bytes, ok: bool) -> None:
    assert checkpointing.read_answer(raw).ok is ok


def _cluster(name: str, speed: int | None = None, cpus: int = 4) -> Cluster:
    return Cluster(name, "fork", cpus=cpus, cpu_speed=speed)


@pytest.mark.parametrize(
    ("here", "there", "better"),
    [
        ((None, 0.25), (None, 0.25), False),  # as good is not better
        ((None, 0.75), (None, 0.25), True),  # less crowded
        ((2000, 0.25), (3000, 0.25), True),  # faster
        ((3000, 0.75), (2000, 0.25), False),  # slower, though empty
        ((2000, 0.25), (3000, 1.5), False),  # faster, but full
    ],
)
def test_a_place_is_better_when_it_is_faster_or_less_crowded(
    here: tuple[int | None, float], there: tuple[int | None, float], better: bool
) -> None:
    places = (_cluster("a", here[0]), here[1]), (_cluster("b", there[0]), there[1])
    assert checkpointing.is_better(*places) is better


def test_jobs_that_wait_there_count_as_load() -> None:
    measured = Measured("a", NOW, waiting=2)
    assert checkpointing.load(_cluster("a"), measured, 2) == 1.0


@pytest.mark.parametrize(
    ("told", "left"),
    [
        ([(0, "50")], 10),
        ([(0, "25 %")], 30),
        ([(-5, "10"), (-1, "20")], 35),  # since the last word a minute has passed
        ([(0, "almost done")], None),
        ([(0, "0")], None),
        ([(0, "100")], None),
    ],
)
def test_the_rest_is_reckoned_from_the_reported_percentages(
    told: list[tuple[int, str]], left: int | None
) -> None:
    attempt = _attempt(1, started_at=NOW - timedelta(minutes=10))
    points = checkpointing.progress_points(
        attempt, [(NOW + timedelta(minutes=minute), text) for minute, text in told]
    )
    found = checkpointing.remaining(points, NOW)
    assert found == (None if left is None else timedelta(minutes=left))


def test_after_a_move_only_what_was_done_here_tells_the_speed() -> None:
    attempt = _attempt(2, started_at=NOW - timedelta(minutes=10))
    told = [(NOW - timedelta(minutes=30), "10"), (NOW - timedelta(minutes=10), "60"), (NOW, "80")]
    assert checkpointing.remaining(checkpointing.progress_points(attempt, told), NOW) == timedelta(
        minutes=10
    )


def test_a_move_must_gain_a_fifth_with_its_own_cost_counted() -> None:
    slow, fast = _cluster("a", 2000), _cluster("b", 4000)
    then, text = checkpointing.gain(timedelta(hours=1), slow, fast) or (None, "")
    assert then == timedelta(minutes=30) + checkpointing.COST_OF_MOVING
    assert text == "60 min to go on a (2000 MHz), 32 min on b (4000 MHz), moving included"
    assert checkpointing.gain(timedelta(minutes=2), slow, fast) is None
    assert checkpointing.gain(timedelta(hours=1), slow, _cluster("c")) is None


def test_the_policy_leaves_a_job_alone_that_came_or_moved_lately() -> None:
    stay = timedelta(minutes=10)
    fresh = _attempt(1, started_at=NOW - timedelta(minutes=3))
    assert "less than 600 s" in checkpointing.why_stay([fresh], NOW, stay, 3)
    old = [_attempt(n, started_at=NOW - timedelta(hours=1)) for n in (1, 2, 3, 4)]
    assert "moved 3 times" in checkpointing.why_stay(old, NOW, stay, 3)
    assert checkpointing.why_stay(old[:3], NOW, stay, 3) == ""


def test_places_that_failed_since_the_last_run_are_known() -> None:
    ran = _attempt(1, "a", phase=Phase.ENDED, started_at=NOW)
    failed = [_attempt(n, c, phase=Phase.REVOKED) for n, c in ((2, "b"), (3, "c"))]
    assert checkpointing.failed_places([ran, *failed]) == ("c", "b")
    assert checkpointing.failed_places([ran]) == ()
    assert checkpointing.earlier_runs([ran, *failed]) == 1
    assert checkpointing.earlier_runs(failed) == 0


def test_a_declared_job_is_asked_by_sigusr1_and_answers_with_85() -> None:
    assert json.dumps(checkpointing.declared(_job())) == '{"signal": "USR1", "exit_code": 85}'
    assert checkpointing.declared(_job(checkpointable=False)) is None


@pytest.mark.parametrize(
    ("same", "kept", "runs", "reason"),
    [
        (0, 4, 4, ""),
        (2, 4, 4, ""),
        (3, 4, 4, "its last 3 runs ended as checkpointed and changed nothing"),
        (
            0,
            1,
            4,
            "its last 3 runs",
        ),  # three were not whole: the first is still the one to go on from
        (0, 9, 9, ""),
        (0, 10, 10, "it was run 10 times"),
    ],
)
def test_a_job_that_only_asks_to_be_run_again_is_not_run_for_ever(
    same: int, kept: int, runs: int, reason: str
) -> None:
    checkpoint = Checkpoint(kept, Path("/c"), (), 0, (), same)
    attempts = [_attempt(n, exit=Exit(code=85, checkpointed=True)) for n in range(1, runs + 1)]
    why = checkpointing.why_not_again(checkpoint, attempts, most_unchanged=3, most_runs=10)
    assert why.startswith(reason)
    assert bool(why) == bool(reason)


@pytest.mark.parametrize(
    ("said", "policy", "leaves"),
    [
        (None, "go-on", False),
        (None, "last-checkpoint", True),
        (b'{"overdue": "go-on"}', "last-checkpoint", False),
        (b'{"overdue": "last-checkpoint"}', "go-on", True),
        (b"not json", "go-on", False),
    ],
)
def test_what_the_job_said_of_a_late_checkpoint_wins_over_the_sites_policy(
    said: bytes | None, policy: str, leaves: bool
) -> None:
    assert checkpointing.goes_on_without(said, policy) is leaves
