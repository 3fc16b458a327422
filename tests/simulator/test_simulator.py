"""The broker in a world where everything goes wrong: walks try, the checker judges.

``python tests/simulator/walk.py SEED`` walks a failing seed again.
"""

from __future__ import annotations

import itertools
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from checker import check
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sim_broker import SimBroker, make_template
from walk import ACTS, Walk, memory, runs_of, story, walk

SEEDS = range(1, 21)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Where the stores lie, with an empty one to copy."""
    with tempfile.TemporaryDirectory(dir=memory()) as name:
        make_template(Path(name))
        yield Path(name)


@pytest.mark.timeout(900)
def test_no_job_is_lost_doubled_or_misreported_on_twenty_known_walks(place: Path) -> None:
    for seed in SEEDS:
        broken, told = walk(seed, place)
        assert not broken, "\n".join([f"seed {seed}:", *map(str, broken), *told])


class Machine(RuleBasedStateMachine):
    """The same acts, chosen and shrunk by hypothesis."""

    place: ClassVar[Path]
    numbers: ClassVar[Iterator[int]] = itertools.count()

    @initialize(dice=st.randoms(use_true_random=False))
    def begin(self, dice: random.Random) -> None:
        place = self.place / f"machine-{next(self.numbers)}"
        self.broker = SimBroker(self.place / "empty.db", place)
        self.walk = Walk(self.broker, dice)

    @rule(act=st.sampled_from(ACTS), seconds=st.sampled_from((0, 0, 1, 5, 30, 100, 400)))
    def something_happens(self, act: str, seconds: int) -> None:
        self.walk.do(act, seconds)

    def teardown(self) -> None:
        try:
            self.broker.settle()
            broken = check(self.broker.store, runs_of(self.broker), now=self.broker.world.now)
            assert not self.broker.defects.found, self.broker.defects.found[0]
            told = [*self.walk.done, *story(self.broker, broken[0].job_id)] if broken else []
            assert not broken, "\n".join([*map(str, broken), *told])
        finally:
            self.broker.close()
            shutil.rmtree(self.broker.settings.data_dir)


@pytest.mark.timeout(900)
def test_no_job_is_lost_doubled_or_misreported_whatever_hypothesis_tries(place: Path) -> None:
    Machine.place = place
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
