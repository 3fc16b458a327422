"""Each way in which a cluster does not fit: the requirement, its value there, the nearest cure."""

from datetime import timedelta

import pytest
from clusters import ANN, BOB, NOON, bare, big, description, limits, measured

from grms.broker.allowance import Load
from grms.broker.matching import examine
from grms.broker.records import Measured, Queue
from grms.gjd.model import Application, NetworkLimit, Requirements

R = Requirements

# What is asked, and the whole answer of the cluster ``big`` (64 processors, two queues).
STATIC = [
    (R(osname="AIX"), "osname: wants AIX, has Linux; ask for Linux"),
    (R(osname="linux"), "osname: wants linux, has Linux; ask for Linux"),
    (R(ostype="aarch64"), "ostype: wants aarch64, has x86_64; ask for x86_64"),
    (R(osversion="6.1"), "osversion: wants 6.1, has 5.10; ask for 5.10"),
    (R(osrelease="5.10"), "osrelease: wants 5.10, has 5.10.0-8; ask for 5.10.0-8"),
    (
        R(hostname="small.example.org"),
        "hostname: wants small.example.org, has big.example.org/jobmanager-pbs; "
        "name big.example.org/jobmanager-pbs, or leave hostname out",
    ),
    (
        R(hostname="localhost"),
        "hostname: wants localhost, has big.example.org/jobmanager-pbs; "
        "name big.example.org/jobmanager-pbs, or leave hostname out",
    ),
    (
        R(hostname="big.example.org/jobmanager-lsf"),
        "hostname: wants big.example.org/jobmanager-lsf, has big.example.org/jobmanager-pbs; "
        "name big.example.org/jobmanager-pbs, or leave hostname out",
    ),
    (
        R(hostname="big example"),
        "hostname: wants big example, has big.example.org/jobmanager-pbs; "
        "write it as host, host:port or host/jobmanager-NAME",
    ),
    (
        R(localrmname="lsf"),
        "localrmname: wants lsf, has pbs; ask for pbs, or leave localrmname out",
    ),
    (R(memory=128_001), "memory: wants at least 128001 MB, has 128000 MB; lower memory to 128000"),
    (
        R(cpucount=65),
        "cpucount: wants at least 65 processors, has 64 processors; lower cpucount to 64",
    ),
    (R(cpuspeed=3000), "cpuspeed: wants at least 3000 MHz, has 2400 MHz; lower cpuspeed to 2400"),
    (
        R(diskspace=500_001),
        "diskspace: wants at least 500001 MB, has 500000 MB; lower diskspace to 500000",
    ),
    (
        R(maxwalltime=1500),
        "maxwalltime: wants 1500 minutes, has at most 1440 minutes in queue long; "
        "lower maxwalltime to 1440",
    ),
    (
        R(maxtime=1441),
        "maxtime: wants 1441 minutes, has at most 1440 minutes in queue long; "
        "lower maxtime to 1440",
    ),
    (
        R(maxtime=1600, maxwalltime=1500),
        "maxwalltime: wants 1500 minutes, has at most 1440 minutes in queue long; "
        "lower maxwalltime to 1440",
    ),
    (
        R(maxwalltime=61, queue="short"),
        "maxwalltime: wants 61 minutes, has at most 60 minutes in queue short; "
        "lower maxwalltime to 60",
    ),
    (R(queue="night"), "queue: wants night, has short, long; ask for short or long"),
    (
        R(memory=65_000, queue="long"),
        "memory: wants 65000 MB, has at most 64000 MB in queue long; lower memory to 64000",
    ),
    (
        R(bandwidth=NetworkLimit(5001)),
        "bandwidth: wants at least 5001 KiB/s, has 5000 KiB/s; lower bandwidth to 5000",
    ),
    (
        R(bandwidth=NetworkLimit(60_000, "data.example.org")),
        "bandwidth to data.example.org: wants at least 60000 KiB/s, has 50000 KiB/s; "
        "lower bandwidth to 50000",
    ),
    (
        R(bandwidth=NetworkLimit(6000, "elsewhere.example.org")),
        "bandwidth to elsewhere.example.org: wants at least 6000 KiB/s, has 5000 KiB/s; "
        "lower bandwidth to 5000",
    ),
    (
        R(latency=NetworkLimit(29)),
        "latency: wants at most 29 ms, has 30 ms; raise latency to 30",
    ),
    (
        R(latency=NetworkLimit(1, "DATA.example.org")),
        "latency to DATA.example.org: wants at most 1 ms, has 2 ms; raise latency to 2",
    ),
    (
        R(capacity=NetworkLimit(4001)),
        "capacity: wants at least 4001 KiB/s, has 4000 KiB/s; lower capacity to 4000",
    ),
    (
        R(applications=(Application("vasp"),)),
        "application: wants vasp, has blast, gamess, povray; "
        "have vasp installed and declared there",
    ),
    (
        R(applications=(Application("vasp", "6"),)),
        "application: wants vasp 6, has blast, gamess, povray; "
        "have vasp 6 installed and declared there",
    ),
    (
        R(applications=(Application("blast", "2.4"),)),
        "application: wants blast 2.4, has blast 2.2, 2.6; ask for version 2.2 or 2.6",
    ),
    (
        R(applications=(Application("povray", "3"),)),
        "application: wants povray 3, has povray, no version; leave version out",
    ),
    (
        R(applications=(Application("gamess", "7", 5),)),
        "application: wants 5 instances of gamess 7, has 4 instances; lower instanceCount to 4",
    ),
    (
        R(applications=(Application("blast", None, 1),)),
        "application: wants 1 instance of blast, which is not known; "
        "leave instanceCount out, or let its owner declare instance_count",
    ),
    (
        R(freecpus=65),
        "freecpus: wants at least 65 processors free, has 64 processors in all; "
        "lower freecpus to 64",
    ),
    (
        R(freememory=200_000),
        "freememory: wants at least 200000 MB free, has 128000 MB in all; "
        "lower freememory to 128000",
    ),
    (
        R(freediskspace=500_001),
        "freediskspace: wants at least 500001 MB free, has 500000 MB in all; "
        "lower freediskspace to 500000",
    ),
]

# What only waiting can mend, with what is free now.
PASSING = [
    (
        R(freecpus=17),
        "freecpus: wants at least 17 processors free, has 16 processors free; "
        "wait, or lower freecpus to 16",
    ),
    (
        R(freememory=40_000),
        "freememory: wants at least 40000 MB free, has 32000 MB free; "
        "wait, or lower freememory to 32000",
    ),
    (
        R(freediskspace=200_000),
        "freediskspace: wants at least 200000 MB free, has 100000 MB free; "
        "wait, or lower freediskspace to 100000",
    ),
]

# The same questions to a cluster of which nothing is known.
UNKNOWN = [
    (R(osname="Linux"), "osname: wants Linux", "osname"),
    (R(ostype="x86_64"), "ostype: wants x86_64", "ostype"),
    (R(osversion="5"), "osversion: wants 5", "osversion"),
    (R(osrelease="5"), "osrelease: wants 5", "osrelease"),
    (R(memory=1), "memory: wants at least 1 MB", "memory"),
    (R(cpucount=1), "cpucount: wants at least 1 processor", "cpus"),
    (R(cpuspeed=1), "cpuspeed: wants at least 1 MHz", "cpu_speed"),
    (R(diskspace=1), "diskspace: wants at least 1 MB", "disk"),
    (R(queue="q"), "queue: wants q", "queues"),
    (R(bandwidth=NetworkLimit(1)), "bandwidth: wants at least 1 KiB/s", "bandwidth of links"),
    (R(latency=NetworkLimit(1)), "latency: wants at most 1 ms", "latency of links"),
    (R(capacity=NetworkLimit(1)), "capacity: wants at least 1 KiB/s", "capacity of links"),
]


def ask(wanted, cluster, figures=None, **job):
    return examine(description(wanted, **job), cluster, figures, owner=ANN, now=NOON)


def told(verdict):
    return [str(refusal) for refusal in verdict.refusals]


@pytest.mark.parametrize(("wanted", "text"), STATIC, ids=[text for _, text in STATIC])
def test_a_lasting_mismatch_names_its_value_and_the_smallest_change(wanted, text):
    verdict = ask(wanted, big(), measured())
    assert told(verdict) == [text]
    assert not verdict.may_fit_later


@pytest.mark.parametrize(("wanted", "text"), PASSING, ids=[text for _, text in PASSING])
def test_what_is_free_now_may_change(wanted, text):
    verdict = ask(wanted, big(), measured())
    assert told(verdict) == [text]
    assert verdict.may_fit_later


@pytest.mark.parametrize(("wanted", "text", "key"), UNKNOWN, ids=[row[1] for row in UNKNOWN])
def test_a_requirement_on_a_fact_that_nobody_told_refuses(wanted, text, key):
    verdict = ask(wanted, bare())
    name = text.partition(":")[0]
    cure = f"leave {name} out, or let its owner declare {key}"
    assert told(verdict) == [f"{text}, which is not known; {cure}"]
    assert not verdict.may_fit_later


@pytest.mark.parametrize("name", ["freecpus", "freememory", "freediskspace"])
def test_what_was_never_measured_may_still_be(name):
    verdict = ask(R(**{name: 1}), bare())
    [refusal] = verdict.refusals
    assert refusal.has == ""
    assert refusal.change == f"wait until it is measured, or leave {name} out"
    assert verdict.may_fit_later


def test_an_application_in_place_of_a_file_must_be_installed():
    verdict = ask(R(), big(), application=Application("blast", "3"))
    expected = (
        "executable/application: wants blast 3, has blast 2.2, 2.6; ask for version 2.2 or 2.6"
    )
    assert told(verdict) == [expected]


def test_an_application_is_not_there_if_none_is_declared():
    verdict = ask(R(), bare(), application=Application("blast"))
    assert told(verdict) == [
        "executable/application: wants blast, has none at all; "
        "have blast installed and declared there"
    ]


def test_more_processes_than_processors_never_fit():
    verdict = ask(R(), big(queues=()), count=65)
    assert told(verdict) == ["count: wants 65 processors, has 64 processors; lower count to 64"]
    assert not verdict.may_fit_later


def test_more_processes_than_any_queue_takes_never_fit():
    verdict = ask(R(), big(), count=33)
    assert told(verdict) == [
        "count: wants 33 processors, has at most 32 processors in queue long; lower count to 32"
    ]


def test_an_expected_duration_is_held_against_the_queues():
    verdict = ask(R(), big(), duration=timedelta(hours=24, seconds=1))
    assert told(verdict) == [
        "execDuration: wants 1441 minutes, has at most 1440 minutes in queue long; "
        "lower execDuration to PT1440M"
    ]


def test_all_that_refuses_is_told_at_once_in_the_order_of_the_language():
    wanted = R(osname="AIX", localrmname="lsf", memory=10**6, freecpus=17, queue="night")
    found = ask(wanted, big(), measured()).refusals
    assert [item.requirement for item in found] == [
        "osname",
        "localrmname",
        "memory",
        "freecpus",
        "queue",
    ]


# Whether the cluster takes anything, and from whom.
STANDING = [
    (
        big(drained=True),
        None,
        "state: wants an open cluster, has drained; wait until its owner resumes it",
        False,
    ),
    (
        big(),
        Measured("big", NOON, ok=False, error="no route to host"),
        "state: wants a cluster that answers, has no answer: no route to host; "
        "wait until it answers",
        False,
    ),
    (
        big(limits=limits(users=frozenset({BOB}))),
        None,
        f"users: wants {ANN}, has a list without this user; ask the owner of the cluster",
        True,
    ),
    (
        big(limits=limits(denied_users=frozenset({ANN}))),
        None,
        f"users: wants {ANN}, has this user denied; ask the owner of the cluster",
        True,
    ),
    (
        big(limits=limits(projects=frozenset({"astro", "bio"}))),
        None,
        "project: wants no project, has astro, bio; charge it to astro or bio",
        True,
    ),
    (
        big(limits=limits(hours=(18, 6))),
        None,
        "hours: wants a start at 12:00 UTC, has open from 18:00 to 6:00 UTC; wait until 18:00 UTC",
        False,
    ),
    (
        big(limits=limits(hours=(8, 12))),
        None,
        "hours: wants a start at 12:00 UTC, has open from 8:00 to 12:00 UTC; wait until 8:00 UTC",
        False,
    ),
]


@pytest.mark.parametrize(
    ("cluster", "figures", "text", "lasting"), STANDING, ids=[row[2] for row in STANDING]
)
def test_the_owner_of_a_cluster_keeps_control(cluster, figures, text, lasting):
    verdict = ask(R(), cluster, figures)
    assert told(verdict) == [text]
    assert verdict.may_fit_later is not lasting


CAPS = [
    (limits(max_jobs=3), "max_jobs: wants room for one more job, has 3 of 3; wait until one ends"),
    (
        limits(max_jobs_per_user=2),
        "max_jobs_per_user: wants room for one more job, has 2 of 2; wait until one ends",
    ),
    (
        limits(max_jobs=0),
        "max_jobs: wants room for one more job, has 3 of 0; ask the owner of the cluster",
    ),
]


@pytest.mark.parametrize(("caps", "text"), CAPS, ids=[text for _, text in CAPS])
def test_caps_on_live_jobs_are_told_where_they_are_asked_for(caps, text):
    load = Load({("big", ANN): 2, ("big", BOB): 1, ("other", ANN): 9})
    cluster = big(limits=caps)
    verdict = examine(description(), cluster, None, owner=ANN, now=NOON, load=load)
    assert told(verdict) == [text]


def test_among_queues_that_do_not_take_a_job_the_nearest_is_told():
    queues = (Queue("a", max_wall=10), Queue("b", max_wall=90), Queue("c", max_wall=20))
    verdict = ask(R(maxwalltime=100), big(queues=queues))
    assert told(verdict) == [
        "maxwalltime: wants 100 minutes, has at most 90 minutes in queue b; lower maxwalltime to 90"
    ]


def test_there_are_at_least_fifty_mismatches_here():
    assert len(STATIC) + len(PASSING) + len(UNKNOWN) + len(STANDING) + len(CAPS) >= 50
