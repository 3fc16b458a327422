"""The shipped policies: what each prefers, in figures and in words."""

import math

import pytest
from clusters import bare, job, measured
from hypothesis import given, settings
from hypothesis import strategies as st

from grms.broker.matching import Verdict
from grms.broker.policies import Balanced, Fastest, FillFirst, NearestData
from grms.broker.ranking import Candidate, Input, free, moving, start
from grms.broker.records import Link
from grms.broker.scheduling import Waiting, Weighed, assign, rank
from grms.config import Settings
from grms.errors import ConfigError
from grms.server.wiring import make_policy

ALL = (Balanced(), Fastest(), FillFirst(), NearestData())


def order(policy, registry, figures=None, live=None, **weight):
    verdicts = tuple(Verdict(name, f"{name}/jobmanager-slurm") for name in registry)
    found = rank(Weighed(verdicts, **weight), registry, live or {}, figures or {}, policy)
    return [verdict.cluster for verdict in found]


def candidate(figures=None, **facts):
    counts = {key: facts.pop(key) for key in ("live", "placed", "count") if key in facts}
    cluster = bare(name="a", **facts)
    return Candidate(Verdict("a", cluster.contact), cluster, figures, **counts)


def test_balanced_prefers_free_processors_to_a_queue():
    registry = {"busy": bare(name="busy", cpus=8), "idle": bare(name="idle", cpus=8)}
    figures = {
        "busy": measured("busy", free_cpus=0, waiting=9),
        "idle": measured("idle", free_cpus=1),
    }
    assert order(Balanced(), registry, figures) == ["idle", "busy"]


def test_balanced_prefers_faster_processors_for_long_jobs():
    registry = {"old": bare(name="old", cpu_speed=1000), "new": bare(name="new", cpu_speed=3000)}
    assert order(Balanced(), registry, run=36_000.0) == ["new", "old"]


def test_balanced_waits_for_a_busy_cluster_when_moving_the_files_takes_longer():
    registry = {
        "near": bare(name="near", cpus=10, links=(Link("", 100_000),)),
        "far": bare(name="far", cpus=10, links=(Link("", 100),), transport="ssh://far"),
    }
    figures = {"near": measured("near", free_cpus=0, waiting=1), "far": measured("far")}
    files = (Input("data.example.org", 10**8),)
    assert order(Balanced(), registry, figures, inputs=files) == ["near", "far"]
    assert order(Balanced(), registry, figures, inputs=()) == ["far", "near"]


def test_balanced_spreads_over_what_tells_nothing_of_itself():
    registry = {"a": bare(name="a"), "b": bare(name="b")}
    assert order(Balanced(), registry, live={("a", "x"): 2, ("b", "x"): 1}) == ["b", "a"]


def test_fastest_waits_for_the_fastest_processors():
    registry = {
        "idle": bare(name="idle", cpus=8, cpu_speed=1000),
        "fast": bare(name="fast", cpus=8, cpu_speed=4000),
        "unknown": bare(name="unknown", cpus=8),
    }
    figures = {"fast": measured("fast", free_cpus=0, waiting=50)}
    assert order(Fastest(), registry, figures) == ["fast", "idle", "unknown"]


def test_nearest_data_goes_where_the_files_are():
    registry = {
        "fast": bare(name="fast", cpu_speed=9000, links=(Link("", 100),)),
        "near": bare(name="near", links=(Link("", 100), Link("data.example.org", 10_000))),
    }
    files = (Input("data.example.org", 10**6),)
    assert order(NearestData(), registry, inputs=files) == ["near", "fast"]


def test_fill_first_fills_one_cluster_before_it_opens_the_next():
    registry = {"a": bare(name="a", cpus=2), "b": bare(name="b", cpus=2)}
    figures = {name: measured(name, free_cpus=2) for name in registry}
    verdicts = tuple(Verdict(name, name) for name in registry)
    waiting = [Waiting(job(f"j{n}"), Weighed(verdicts)) for n in range(4)]
    found = assign(waiting, registry, {}, figures, FillFirst())
    assert [item.verdict.cluster for item in found] == ["a", "a", "b", "b"]


def test_fill_first_goes_on_with_the_fuller_cluster():
    registry = {"a": bare(name="a", cpus=4), "b": bare(name="b", cpus=4)}
    assert order(FillFirst(), registry, live={("b", "x"): 2}) == ["b", "a"]


def test_moving_counts_bandwidth_capacity_and_latency_of_each_file():
    links = (Link("data.example.org", bandwidth=2048, latency=500, capacity=1024),)
    cluster = bare(links=links, transport="ssh://x")
    files = (Input("data.example.org", 1024 * 1024), Input("data.example.org", 0))
    assert moving(cluster, files) == pytest.approx(1.0 + 2 * 0.5)


def test_files_of_the_brokers_host_cost_nothing_without_a_network():
    files = (Input("", 10**9),)
    assert moving(bare(transport="local"), files) == 0
    assert moving(bare(transport="ssh://x"), files) > 0


def test_an_old_measurement_is_held_against_the_jobs_that_came_since():
    figures = measured("a", free_cpus=8)
    assert free(candidate(figures, cpus=8, live=5)) == 3
    assert free(candidate(figures, cpus=8, placed=3, count=2)) == 2
    assert free(candidate(None, cpus=8)) is None


def test_a_longer_queue_means_a_later_start():
    short = start(candidate(measured("a", free_cpus=0, waiting=1), cpus=4))
    long = start(candidate(measured("a", free_cpus=0, waiting=5), cpus=4))
    assert 0 < short < long


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Balanced(), "earliest expected end: starts at once, 3 of 4 processors free, 2000 MHz"),
        (Fastest(), "fastest processors: 2000 MHz, starts at once, 3 of 4 processors free"),
        (
            NearestData(),
            "nearest to its files: no time at all to move them, starts at once, "
            "3 of 4 processors free",
        ),
        (
            FillFirst(),
            "fullest cluster with room: 1 live jobs, starts at once, 3 of 4 processors free",
        ),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_each_policy_says_in_words_why(policy, expected):
    figures = measured("a", free_cpus=3)
    assert policy.reason(candidate(figures, cpus=4, cpu_speed=2000, live=1)) == expected


_FIGURES = st.none() | st.builds(
    measured,
    st.just("a"),
    free_cpus=st.none() | st.integers(0, 20),
    waiting=st.none() | st.integers(0, 20),
    total_cpus=st.none() | st.integers(0, 20),
)


@pytest.mark.parametrize("policy", ALL, ids=lambda policy: policy.name)
@settings(deadline=None)
@given(
    figures=_FIGURES,
    cpus=st.none() | st.integers(0, 20),
    live=st.integers(0, 20),
    placed=st.integers(0, 20),
    count=st.integers(1, 4),
)
def test_a_score_is_finite_and_never_falls_while_a_pass_fills_the_cluster(
    policy, figures, cpus, live, placed, count
):
    here = candidate(figures, cpus=cpus, live=live, placed=placed, count=count)
    before = policy.score(here)
    here.placed += 1
    assert policy.score(here) >= before
    assert all(math.isfinite(part) for part in before)
    assert policy.reason(here)


@pytest.mark.parametrize("policy", ALL, ids=lambda policy: policy.name)
def test_a_policy_is_chosen_by_its_name(policy):
    assert type(make_policy(Settings(policy=policy.name))) is type(policy)


def test_an_unknown_policy_is_refused_with_those_that_are_known():
    with pytest.raises(ConfigError, match="policy = 'nope': there is no such policy; installed: "):
        make_policy(Settings(policy="nope"))
