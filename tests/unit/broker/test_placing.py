"""The placing round: reasons in the story, sizes asked sparingly, figures of a probe."""

from __future__ import annotations

from datetime import timedelta

import pytest
from clusters import ANN, NOON, bare, description, measured

from grms.broker.edges import Edges
from grms.broker.lifecycle import JobState
from grms.broker.matching import Verdict
from grms.broker.ports.batch import Command, CommandResult, ProbeFacts
from grms.broker.ranking import Input
from grms.broker.records import EventKind, Job, Link, NewEvent
from grms.broker.rounds.placing import place
from grms.broker.rounds.probing import disk_command, parse_disk, probe
from grms.broker.rounds.weighing import Scales
from grms.config import Settings
from grms.errors import SiteError
from grms.gjd.model import Direction, Executable, FileRef, JobDescription, JobType
from grms.server.wiring import make_store

TEXT = (
    '<grmsjob appid="a"><simplejob>{wanted}<executable type="single">'
    '<file name="t" type="in"><url>file:////bin/true</url></file>'
    "</executable></simplejob></grmsjob>"
)


class Noon:
    def now(self):
        return NOON


class Shelf:
    """A stager that knows sizes and counts the questions."""

    def __init__(self, sizes=None):
        self.sizes = sizes or {}
        self.asked = []

    def size(self, url):
        self.asked.append(url)
        return self.sizes.get(url)


@pytest.fixture
def edges(tmp_path):
    store = make_store(Settings(data_dir=tmp_path))
    yield Edges(store, None, Shelf(), Noon(), Settings(data_dir=tmp_path))
    store.close()


def queued(edges, wanted="", job_id="j1"):
    job = Job(job_id, ANN, "a", TEXT.format(wanted=wanted), NOON, due_at=NOON)
    return edges.store.accept(job, [NewEvent(EventKind.ACCEPTED, NOON, "accepted")]).job


def story(edges, job_id="j1"):
    return [event.text for event in edges.store.events(job_id)]


def test_a_placed_job_tells_where_and_why(edges):
    edges.store.put_cluster(bare(name="here"))
    ((job, attempt),) = place(edges, [queued(edges)])
    assert (job.state, attempt.cluster) == (JobState.PREPROCESSING, "here")
    assert "placed on here/jobmanager-slurm: the only cluster that fits" in story(edges)


def test_a_job_that_no_cluster_can_ever_run_fails_with_all_reasons(edges):
    edges.store.put_cluster(bare(name="a", memory=10))
    edges.store.put_cluster(bare(name="b"))
    wanted = "<resource><memory>20</memory></resource>"
    assert place(edges, [queued(edges, wanted)]) == []
    job = edges.store.job("j1")
    assert job.state is JobState.FAILED
    assert job.error == (
        "no cluster can ever run this job: a/jobmanager-slurm: memory: wants at least 20 MB, "
        "has 10 MB; lower memory to 10; b/jobmanager-slurm: memory: wants at least 20 MB, "
        "which is not known; leave memory out, or let its owner declare memory"
    )


def test_a_job_that_may_fit_later_waits_and_says_what_for_once(edges):
    edges.store.put_cluster(bare(name="a", drained=True))
    place(edges, [queued(edges)])
    place(edges, [edges.store.job("j1")])
    job = edges.store.job("j1")
    assert (job.state, job.tries) == (JobState.QUEUED, 2)
    assert job.due_at is not None
    assert job.due_at > NOON
    assert [text for text in story(edges) if text.startswith("waits: ")] == [
        "waits: a/jobmanager-slurm: state: wants an open cluster, has drained; "
        "wait until its owner resumes it"
    ]


def test_without_clusters_a_job_waits(edges):
    place(edges, [queued(edges)])
    assert "waits: no cluster is registered" in story(edges)


def test_many_clusters_do_not_drown_the_reason(edges):
    for number in range(25):
        edges.store.put_cluster(bare(name=f"c{number:02d}", memory=1))
    place(edges, [queued(edges, "<resource><memory>2</memory></resource>")])
    assert edges.store.job("j1").error.endswith("; and 5 more clusters")


URL = "http://data.example.org/in"
NEAR = bare(name="near", links=(Link("data.example.org", 1000),))
FAR = bare(name="far", transport="ssh://far")


def reads(*urls):
    files = tuple(FileRef(f"f{n}", Direction.IN, url) for n, url in enumerate(urls))
    return JobDescription("a", Executable(JobType.SINGLE, arguments=files))


def weigh(shelf, clusters, *descriptions, now=lambda: NOON):
    scales = Scales(shelf, {cluster.name: cluster for cluster in clusters}, now)
    verdicts = tuple(Verdict(cluster.name, cluster.contact) for cluster in clusters)
    job = Job("j", ANN, "a", "", NOON)
    return [scales.weigh(job, item, verdicts).weighed for item in descriptions]


def test_a_size_is_asked_for_once_a_pass():
    shelf = Shelf({URL: 7})
    found = weigh(shelf, [NEAR, FAR], reads(URL), reads(URL, "file:////data/x"))
    assert found[0].inputs == (Input("data.example.org", 7),)
    assert found[1].inputs == (Input("data.example.org", 7), Input("", 0))
    assert shelf.asked == [URL, "file:////data/x"]


@pytest.mark.parametrize("clusters", [[NEAR], [FAR, bare(name="f2", transport="ssh://f2")]])
def test_no_size_is_asked_for_where_the_clusters_do_not_differ(clusters):
    shelf = Shelf({URL: 7})
    assert weigh(shelf, clusters, reads(URL))[0].inputs == ()
    assert shelf.asked == []


def test_slow_file_servers_do_not_hold_up_a_pass():
    shelf = Shelf({URL: 7})
    times = iter([NOON, NOON, NOON + timedelta(minutes=1)])
    found = weigh(shelf, [NEAR, FAR], reads(URL), reads("http://x/y"), now=lambda: next(times))
    assert found[1].inputs == (Input("x", 0),)
    assert shelf.asked == [URL]


def test_the_stated_limit_is_the_expected_run_time():
    [usual] = weigh(Shelf(), [NEAR], description())
    [stated] = weigh(Shelf(), [NEAR], description(duration=timedelta(minutes=90)))
    assert (usual.run, stated.run) == (600.0, 5400.0)


DF = b"""Filesystem     1024-blocks      Used Available Capacity Mounted on
/dev/my disk     205239508  90000000  97656250      49% /scratch
"""


def test_free_disk_is_what_df_says_is_available():
    assert parse_disk(CommandResult(0, DF)) == 100_000


@pytest.mark.parametrize(
    "result",
    [
        CommandResult(1, DF),
        CommandResult(0, b""),
        CommandResult(0, b"Filesystem\n"),
        CommandResult(0, b"head\nx - - - - /\n"),
        CommandResult(127, b"", b"df: not found"),
    ],
)
def test_where_df_does_not_tell_free_disk_is_not_known(result):
    assert parse_disk(result) is None


class Probed:
    """Sites with one adapter whose probe is one command."""

    def __init__(self, results=None, error=None):
        self.results, self.error, self.commands = results, error, []
        self.adapter = self.transport = self

    def site(self, _cluster, _account):
        return self

    def probe_commands(self):
        return [Command(("info",))]

    def run_many(self, commands):
        self.commands = list(commands)
        if self.error:
            raise self.error
        return self.results

    def parse_probe(self, results):
        assert [result.stdout for result in results] == [b"info"]
        return ProbeFacts(total_cpus=64, free_cpus=16, free_memory=32_000, waiting=0, running=3)


def measure(sites):
    edges = Edges(None, sites, Shelf(), Noon(), Settings())
    return probe(edges, bare(name="big", workdir="/w"))


def test_a_probe_measures_the_batch_system_and_the_disk_in_one_go():
    sites = Probed([CommandResult(0, b"info"), CommandResult(0, DF)])
    assert measure(sites) == measured("big", total_cpus=64)
    assert sites.commands == [Command(("info",)), disk_command("/w")]


def test_a_probe_that_fails_is_a_measurement_too():
    found = measure(Probed(error=SiteError("no route to host")))
    assert (found.ok, found.error, found.free_cpus) == (False, "no route to host", None)
