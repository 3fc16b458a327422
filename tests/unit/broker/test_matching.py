"""What fits, with which alternative and queue, and that equal questions are asked once."""

from dataclasses import replace

import pytest
from clusters import ANN, BOB, NOON, bare, big, description, limits, measured
from hypothesis import given, settings
from hypothesis import strategies as st

from grms.broker.contacts import names, read_contact
from grms.broker.matching import Matcher, examine
from grms.broker.records import Link, Queue
from grms.gjd.model import Application, NetworkLimit, Requirements

R = Requirements
EVERYTHING = R(
    osname="Linux",
    ostype="x86_64",
    osversion="5.10",
    osrelease="5.10.0-8",
    hostname="big.example.org",
    localrmname="pbs",
    memory=64_000,
    cpucount=64,
    cpuspeed=2400,
    maxtime=1440,
    maxwalltime=1440,
    maxcputime=90_000,
    bandwidth=NetworkLimit(50_000, "data.example.org"),
    latency=NetworkLimit(30),
    capacity=NetworkLimit(4000),
    applications=(Application("blast", "2.6"), Application("gamess", None, 4)),
    freememory=32_000,
    diskspace=500_000,
    freediskspace=100_000,
    queue="long",
    freecpus=16,
)


def ask(*alternatives, cluster=None, figures=None, **job):
    cluster = cluster or big()
    wanted = description(*alternatives, **job)
    return examine(wanted, cluster, figures or measured(), owner=ANN, now=NOON)


def test_a_job_that_asks_for_nothing_fits_a_cluster_of_which_nothing_is_known():
    assert examine(description(), bare(), None, owner=ANN, now=NOON).fits


def test_a_job_that_asks_for_exactly_what_there_is_fits():
    assert ask(EVERYTHING).refusals == ()


def test_the_first_alternative_that_fits_is_taken():
    verdict = ask(R(osname="AIX"), R(osname="Linux"), R())
    assert (verdict.fits, verdict.alternative) == (True, 1)


def test_where_no_alternative_fits_the_nearest_explains_itself():
    verdict = ask(R(osname="AIX", localrmname="lsf"), R(cpucount=65), R(freecpus=60))
    assert verdict.alternative == 2
    assert [refusal.requirement for refusal in verdict.refusals] == ["freecpus"]


@pytest.mark.parametrize(
    "hostname",
    [
        "big.example.org",
        "big.example.org::subject",
        "BIG.example.ORG",
        "big",
        "login.big.example.org",
        "big.example.org:2119",
        "big.example.org:",
        "big.example.org/jobmanager",
        "big.example.org/jobmanager-pbs",
        "big.example.org:/jobmanager-pbs",
        "big.example.org:2119/jobmanager-pbs",
        "big.example.org::/C=PL/O=GRID/CN=host/big",
        "big.example.org:2119:/C=PL/O=GRID/CN=host/big",
        "big.example.org/jobmanager-pbs:/C=PL/CN=host",
        "big.example.org:2119/jobmanager-pbs:/C=PL/CN=host",
    ],
)
def test_every_form_of_a_job_manager_contact_names_the_cluster(hostname):
    assert ask(R(hostname=hostname)).fits


@pytest.mark.parametrize("hostname", ["", "/jobmanager-pbs", ":2119", "a b", "big:port/x y"])
def test_what_is_no_contact_is_told_from_another_host(hostname):
    assert read_contact(hostname) is None


@pytest.mark.parametrize("transport", ["local", "local+sudo"])
def test_localhost_is_a_cluster_that_is_reached_without_a_network(transport):
    contact = read_contact("localhost/jobmanager-slurm")
    assert contact is not None
    assert names(contact, bare(transport=transport))
    assert not names(contact, bare(transport="ssh://far.example.org"))
    assert not names(contact, bare(transport=transport, batch="pbs"))


def test_a_broken_transport_names_no_host():
    contact = read_contact("x")
    assert contact is not None
    assert not names(contact, bare(transport="ssh://[x"))


def test_without_a_wish_the_default_queue_is_taken_if_it_takes_the_job():
    assert ask(R(maxwalltime=30)).queue == "long"


def test_without_a_wish_another_queue_is_taken_if_the_default_does_not_take_the_job():
    queues = (Queue("short", default=True, max_wall=60), Queue("a", max_wall=90), Queue("b"))
    assert ask(R(maxwalltime=80), cluster=big(queues=queues)).queue == "a"
    assert ask(R(maxwalltime=100), cluster=big(queues=queues)).queue == "b"
    assert ask(count=1, cluster=big(queues=queues)).queue == "short"


def test_a_wished_queue_is_taken_though_it_is_not_the_default():
    assert ask(R(queue="short", maxwalltime=60)).queue == "short"


def test_without_declared_queues_the_batch_system_chooses():
    assert ask(R(maxwalltime=10**6), cluster=big(queues=())).queue == ""


def test_a_forked_job_may_have_more_processes_than_there_are_processors():
    assert ask(count=500, cluster=bare(name="big", batch="fork", cpus=2)).fits


def test_processors_that_nobody_declared_are_those_that_were_measured():
    figures = measured("bare", total_cpus=8)
    assert ask(R(cpucount=8), cluster=bare(), figures=figures).fits
    assert not ask(R(cpucount=9), cluster=bare(), figures=figures).fits


def test_the_network_to_a_host_is_its_own_link_else_the_general_one():
    links = (Link("data.example.org", 10), Link("", 1000))
    cluster = big(links=links)
    assert ask(R(bandwidth=NetworkLimit(500, "other.example.org")), cluster=cluster).fits
    assert not ask(R(bandwidth=NetworkLimit(500, "data.example.org")), cluster=cluster).fits


@pytest.mark.parametrize("hours", [(12, 13), (0, 24), (22, 13), (7, 7)])
def test_inside_its_hours_a_cluster_is_open(hours):
    assert ask(R(), cluster=big(limits=limits(hours=hours))).fits


def test_the_right_project_opens_a_cluster_that_is_kept_for_projects():
    cluster = big(limits=limits(projects=frozenset({"astro"})))
    assert ask(R(), cluster=cluster, project="astro").fits


def test_equal_requirements_are_matched_once_whoever_asks():
    matcher = Matcher({"big": big()}, [measured()], NOON)
    first = matcher.verdicts(description(R(memory=5), project="a"), ANN)
    assert matcher.verdicts(description(R(memory=5), project="b"), BOB) is first
    assert matcher.verdicts(description(R(memory=6)), ANN) is not first


def test_users_are_told_apart_only_where_a_cluster_tells_them_apart():
    closed = big(limits=limits(users=frozenset({ANN})))
    matcher = Matcher({"big": closed}, [measured()], NOON)
    assert matcher.verdicts(description(), ANN)[0].fits
    assert not matcher.verdicts(description(), BOB)[0].fits


def test_projects_are_told_apart_only_where_a_cluster_tells_them_apart():
    closed = big(limits=limits(projects=frozenset({"astro"})))
    matcher = Matcher({"big": closed}, [], NOON)
    assert matcher.verdicts(description(project="astro"), ANN)[0].fits
    assert not matcher.verdicts(description(project="bio"), ANN)[0].fits


_SOME = st.sampled_from
_WANTED = st.builds(
    Requirements,
    osname=_SOME([None, "Linux", "AIX"]),
    localrmname=_SOME([None, "pbs", "slurm"]),
    memory=_SOME([None, 1, 10**6]),
    cpucount=_SOME([None, 4, 100]),
    freecpus=_SOME([None, 2, 20, 100]),
    queue=_SOME([None, "long", "nope"]),
    maxwalltime=_SOME([None, 30, 1000, 10_000]),
)
_CLUSTERS = [
    big(),
    replace(big(limits=limits(users=frozenset({ANN}))), name="kept"),
    bare(),
    bare(name="off", drained=True),
]


@settings(deadline=None)
@given(st.lists(_WANTED, max_size=3), _SOME([ANN, BOB]))
def test_one_by_one_or_all_at_once_the_answer_is_the_same(alternatives, owner):
    wanted = description(*alternatives)
    figures = {"big": measured("big"), "kept": measured("kept")}
    matcher = Matcher({c.name: c for c in _CLUSTERS}, figures.values(), NOON)
    assert list(matcher.verdicts(wanted, owner)) == [
        examine(wanted, cluster, figures.get(cluster.name), owner=owner, now=NOON)
        for cluster in _CLUSTERS
    ]


@settings(deadline=None)
@given(st.lists(_WANTED, min_size=1, max_size=3))
def test_a_cluster_fits_exactly_if_one_alternative_alone_fits(alternatives):
    alone = [ask(wanted).fits for wanted in alternatives]
    verdict = ask(*alternatives)
    assert verdict.fits is any(alone)
    if verdict.fits:
        assert verdict.alternative == alone.index(True)
