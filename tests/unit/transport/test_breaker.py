"""When a host that fails is tried again."""

import random

import pytest

from grms.errors import SiteError
from grms.transport.breaker import Breaker

DOWN = SiteError("cannot reach there")


def tripped(failures, **settings):
    breaker = Breaker(threshold=3, shortest=10, longest=100, **settings)
    for _ in range(failures):
        breaker.failed(DOWN, now=1000)
    return breaker


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_a_few_failures_do_not_stop_the_next_try(failures):
    tripped(failures).check(now=1000)


def test_after_the_threshold_it_waits_and_says_until_when_and_why():
    with pytest.raises(SiteError, match=r"cannot reach there; failed 3 times, .* in \d+ s"):
        tripped(3).check(now=1000)


def test_after_the_pause_one_try_is_let_through_and_its_failure_doubles_the_pause():
    breaker = tripped(3)
    first = breaker.retry_at - 1000
    breaker.check(now=breaker.retry_at)
    breaker.failed(DOWN, now=1000)
    assert 5 <= first <= 10
    assert 10 <= breaker.retry_at - 1000 <= 20
    with pytest.raises(SiteError):
        breaker.check(now=1000)


def test_the_pause_has_a_limit():
    assert tripped(5000).retry_at <= 1100


def test_pauses_differ_so_that_brokers_do_not_knock_together():
    pauses = {tripped(3, _random=random.Random(seed)).retry_at for seed in range(10)}
    assert len(pauses) == 10


def test_success_closes_it():
    breaker = tripped(3)
    breaker.succeeded()
    breaker.check(now=1000)


def test_what_only_a_person_can_mend_stays_that():
    breaker = Breaker(threshold=1)
    breaker.failed(SiteError("wrong key", transient=False), now=0)
    with pytest.raises(SiteError, match="wrong key") as caught:
        breaker.check(now=0)
    assert not caught.value.transient
