"""The history checker sees what it is there to see: each promise, broken on purpose."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from checker import Ran, check
from sim_broker import SimBroker, make_template
from walk import memory, runs_of


@pytest.fixture
def broker() -> Iterator[SimBroker]:
    """A simulated broker that has done one job, which ended with 0."""
    with tempfile.TemporaryDirectory(dir=memory()) as name:
        found = SimBroker(make_template(Path(name)), Path(name) / "one")
        found.submit(5, 0)
        found.settle()
        yield found
        found.close()


def kinds(broker: SimBroker, runs: list[Ran]) -> set[str]:
    return {item.kind for item in check(broker.store, runs, now=broker.world.now)}


def test_an_honest_history_breaks_nothing(broker: SimBroker) -> None:
    assert kinds(broker, runs_of(broker)) == set()


def test_a_second_run_is_a_doubled_job(broker: SimBroker) -> None:
    (run,) = runs_of(broker)
    assert "doubled" in kinds(broker, [run, replace(run, start=run.start + 1)])
    assert "doubled" in kinds(broker, [run, replace(run, start=run.start + 1, attempt=2)])
    later = replace(run, start=(run.end or 0) + 100, attempt=2)
    assert "doubled" in kinds(broker, [run, later])


def test_another_exit_code_or_no_run_at_all_is_misreported(broker: SimBroker) -> None:
    (run,) = runs_of(broker)
    assert kinds(broker, [replace(run, code=3)]) == {"misreported"}
    assert kinds(broker, []) == {"misreported"}


def test_an_end_told_while_the_program_runs_is_misreported(broker: SimBroker) -> None:
    (run,) = runs_of(broker)
    assert kinds(broker, [replace(run, end=None, code=None)]) == {"misreported"}


def test_a_job_that_nobody_ends_is_lost(broker: SimBroker) -> None:
    broker.submit(5, 0)
    assert kinds(broker, runs_of(broker)) == {"lost"}
