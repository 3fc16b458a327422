"""Who goes first, and where to: turns, caps, and that nothing blocks anybody else."""

from collections import Counter
from datetime import timedelta

from clusters import ANN, BOB, NOON, bare, job, limits, measured
from hypothesis import given, settings
from hypothesis import strategies as st

from grms.broker.matching import Verdict
from grms.broker.scheduling import Waiting, Weighed, assign
from grms.broker.verdicts import Refusal

REFUSED = (Refusal("osname", "AIX", "Linux", "ask for Linux"),)


def on(*names, refused=()):
    """What clusters say: these fit, those refuse."""
    fitting = tuple(Verdict(name, f"{name}/jobmanager-fork") for name in names)
    return Weighed(
        fitting + tuple(Verdict(name, f"{name}/x", refusals=REFUSED) for name in refused)
    )


def clusters(**caps):
    return {name: bare(name=name, limits=limits(**cap)) for name, cap in caps.items()}


def placed(waiting, registry, live=None, figures=None, policy=None):
    found = assign(waiting, registry, live or {}, figures, policy)
    return [(item.job.id, item.verdict.cluster) for item in found]


def test_users_take_turns_whatever_the_length_of_their_backlog():
    here = on("here")
    waiting = [Waiting(job(f"a{n}"), here) for n in range(5)]
    waiting += [Waiting(job(f"b{n}", BOB), here) for n in range(2)]
    order = [name for name, _ in placed(waiting, clusters(here={}))]
    assert order == ["a0", "b0", "a1", "b1", "a2", "a3", "a4"]


def test_whoever_has_fewer_live_jobs_goes_first():
    here = on("here")
    waiting = [Waiting(job("a1"), here), Waiting(job("b1", BOB), here)]
    registry = clusters(here={"max_jobs": 4})
    assert placed(waiting, registry, {("here", ANN): 3}) == [("b1", "here")]


def test_among_equals_whoever_waits_longest_goes_first():
    here = on("here")
    waiting = [
        Waiting(job("young"), here),
        Waiting(job("old", BOB, submitted_at=NOON - timedelta(hours=1)), here),
    ]
    assert placed(waiting, clusters(here={"max_jobs": 1})) == [("old", "here")]


def test_a_job_that_fits_nowhere_now_blocks_neither_its_owner_nor_others():
    waiting = [
        Waiting(job("held"), on(refused=("here",))),
        Waiting(job("next"), on("here")),
        Waiting(job("other", BOB), on("here")),
    ]
    assert {name for name, _ in placed(waiting, clusters(here={}))} == {"next", "other"}


def test_a_full_cluster_gets_nothing_more():
    waiting = [Waiting(job(f"j{n}"), on("here")) for n in range(5)]
    registry = clusters(here={"max_jobs": 4})
    assert len(placed(waiting, registry, {("here", BOB): 2})) == 2


def test_a_user_at_the_cap_of_one_cluster_goes_to_another():
    both = on("here", "there")
    waiting = [Waiting(job(f"j{n}"), both) for n in range(3)]
    registry = clusters(here={"max_jobs_per_user": 1}, there={})
    taken = Counter(cluster for _, cluster in placed(waiting, registry))
    assert taken == {"here": 1, "there": 2}


def test_a_user_at_the_cap_leaves_room_for_others():
    here = on("here")
    waiting = [Waiting(job(f"a{n}"), here) for n in range(3)]
    waiting.append(Waiting(job("b", BOB), here))
    registry = clusters(here={"max_jobs_per_user": 1})
    assert placed(waiting, registry) == [("a0", "here"), ("b", "here")]


def test_equal_clusters_are_filled_evenly():
    waiting = [Waiting(job(f"j{n}"), on("a", "b", "c")) for n in range(9)]
    taken = Counter(cluster for _, cluster in placed(waiting, clusters(a={}, b={}, c={})))
    assert taken == {"a": 3, "b": 3, "c": 3}


def test_one_fitting_cluster_needs_no_ranking():
    [found] = assign([Waiting(job("j"), on("here", refused=("x",)))], clusters(here={}), {})
    assert found.reason == "the only cluster that fits"


def test_the_reason_says_what_the_choice_rests_on():
    registry = {"a": bare(name="a", cpus=8, cpu_speed=3000), "b": bare(name="b", cpus=8)}
    figures = {name: measured(name, free_cpus=4) for name in registry}
    [found] = assign([Waiting(job("j"), on("a", "b"))], registry, {}, figures)
    assert found.verdict.cluster == "a"
    assert found.reason == (
        "earliest expected end: starts at once, 4 of 8 processors free, 3000 MHz "
        "(balanced, of 2 that fit)"
    )


def test_without_clusters_nothing_is_placed():
    assert assign([Waiting(job("j"), on())], {}, {}) == []


_NAMES = ("c0", "c1", "c2", "c3")
_OWNERS = (ANN, BOB, "/CN=Eve")
_CAP = st.none() | st.integers(0, 4)
_CAPS = st.fixed_dictionaries({"max_jobs": _CAP, "max_jobs_per_user": _CAP})
_REGISTRY = st.fixed_dictionaries(dict.fromkeys(_NAMES, _CAPS))
_LIVE = st.dictionaries(
    st.tuples(st.sampled_from(_NAMES), st.sampled_from(_OWNERS)), st.integers(1, 3)
)
_JOBS = st.lists(
    st.tuples(st.sampled_from(_OWNERS), st.frozensets(st.sampled_from(_NAMES))), max_size=25
)


def _case(caps, jobs):
    registry = {name: bare(name=name, limits=limits(**cap)) for name, cap in caps.items()}
    kinds = {names: on(*sorted(names)) for _, names in jobs}
    waiting = [
        Waiting(job(f"j{number:02d}", owner), kinds[names])
        for number, (owner, names) in enumerate(jobs)
    ]
    return registry, waiting


@settings(deadline=None)
@given(_REGISTRY, _LIVE, _JOBS)
def test_no_cap_is_ever_exceeded_and_nothing_is_placed_where_it_does_not_fit(caps, live, jobs):
    registry, waiting = _case(caps, jobs)
    chosen = assign(waiting, registry, live)
    assert len({item.job.id for item in chosen}) == len(chosen)
    fitting = {item.job.id: {v.cluster for v in item.verdicts} for item in waiting}
    assert all(item.verdict.cluster in fitting[item.job.id] for item in chosen)
    added = Counter((item.verdict.cluster, item.job.owner) for item in chosen)
    for name, cap in caps.items():
        new = {owner: added[name, owner] for owner in _OWNERS}
        held = {owner: live.get((name, owner), 0) + new[owner] for owner in _OWNERS}
        if cap["max_jobs"] is not None and sum(new.values()):
            assert sum(held.values()) <= cap["max_jobs"]
        if cap["max_jobs_per_user"] is not None:
            assert all(held[who] <= cap["max_jobs_per_user"] for who in _OWNERS if new[who])


@settings(deadline=None)
@given(_REGISTRY, _LIVE, _JOBS)
def test_no_job_is_left_while_a_cluster_that_fits_has_room_for_it(caps, live, jobs):
    registry, waiting = _case(caps, jobs)
    chosen = assign(waiting, registry, live)
    held = Counter(live)
    held.update((item.verdict.cluster, item.job.owner) for item in chosen)
    placed_ids = {item.job.id for item in chosen}
    for item in waiting:
        if item.job.id in placed_ids:
            continue
        for verdict in item.verdicts:
            cap = caps[verdict.cluster]
            total = sum(held[verdict.cluster, owner] for owner in _OWNERS)
            full = cap["max_jobs"] is not None and total >= cap["max_jobs"]
            mine, most = held[verdict.cluster, item.job.owner], cap["max_jobs_per_user"]
            assert full or (most is not None and mine >= most)


@settings(deadline=None)
@given(st.integers(1, 12), st.lists(st.integers(0, 30), min_size=3, max_size=3))
def test_nobody_starves_with_room_for_some_each_gets_an_equal_part(room, backlogs):
    registry = clusters(here={"max_jobs": room})
    here = on("here")
    waiting = [
        Waiting(job(f"{owner}{number:02d}", owner), here)
        for owner, length in zip(_OWNERS, backlogs, strict=True)
        for number in range(length)
    ]
    got = Counter(item.job.owner for item in assign(waiting, registry, {}))
    unserved = [got[o] for o, n in zip(_OWNERS, backlogs, strict=True) if got[o] < n]
    if unserved:
        assert max(got.values()) - min(unserved) <= 1
