"""``grms-server cluster``: the registry on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from grms.broker.lifecycle import JobState
from grms.broker.records import Attempt, Change, EventKind, Job, NewEvent, OwnerLimits, Phase, Queue
from grms.config import Settings
from grms.server.cli import main
from grms.server.wiring import SystemClock, make_store

NOW = SystemClock().now()


class Server:
    """One data directory and its command."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.workdir = str(place / "jobs")

    def run(self, *words: str, code: int = 0) -> Result:
        found = CliRunner().invoke(main, ["--data-dir", str(self.place), "cluster", *words])
        assert found.exit_code == code, found.output
        return found

    def add(self, name: str, *words: str, code: int = 0) -> Result:
        return self.run("add", name, "--no-probe", *words, code=code)

    def store(self):
        return make_store(Settings(data_dir=self.place))

    def cluster(self, name: str):
        store = self.store()
        try:
            return {item.name: item for item in store.clusters()}[name]
        finally:
            store.close()

    def live_job(self, cluster: str) -> None:
        """Put a job on a cluster, as the engine would."""
        store = self.store()
        told = NewEvent(EventKind.NOTE, NOW, "told")
        job = Job("j1", "/CN=Ann", "demo", "<x/>", NOW, state=JobState.RUNNING)
        accepted = store.accept(job, [told]).job
        attempt = Attempt("j1", 1, cluster, "t1", "/w", "<x/>", NOW, phase=Phase.RUNNING)
        assert store.apply([Change(accepted, (attempt,), (told,))])[0] is not None
        store.close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    for name in ("GRMS_CONFIG", "GRMS_CLUSTERS_FILE", "GRMS_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    return Server(tmp_path)


FORK = ("--batch", "fork")


def test_a_cluster_is_added_with_all_its_facts(server):
    server.add(
        "big",
        *FORK,
        "--workdir=/w",
        "--host=big.example.org",
        "--cpus=64",
        "--queue=short,max_wall=60",
        "--queue=long,default=true",
        "--application=blast,version=2.2,path=/opt/blast",
        "--link=data.example.org,bandwidth=100",
        "--link=bandwidth=10,latency=3",
        "--user=/CN=Ann",
        "--deny-user=/CN=Eve",
        "--project=astro",
        "--max-jobs=7",
        "--max-jobs-per-user=3",
        "--hours=18-6",
        "--option=python=/usr/bin/python3",
        "--drained",
    )
    found = server.cluster("big")
    assert found.contact == "big.example.org/jobmanager-fork"
    assert found.queues == (Queue("short", max_wall=60), Queue("long", default=True))
    assert found.applications[0].path == "/opt/blast"
    assert [(link.hostname, link.bandwidth) for link in found.links] == [
        ("data.example.org", 100),
        ("", 10),
    ]
    assert found.limits == OwnerLimits(
        frozenset({"/CN=Ann"}), frozenset({"/CN=Eve"}), frozenset({"astro"}), 7, 3, (18, 6)
    )
    assert found.options == {"python": "/usr/bin/python3"}
    assert found.drained
    assert not found.declared


def test_all_mistakes_are_told_at_once_and_nothing_is_registered(server):
    words = ("--batch=fork", "--workdir=w", "--cpus=-1", "--queue=a,b", "--hours=6")
    more = ("--transport=ftp://x", "--option=novalue", "--queue=c,max_wall=soon", "--max-jobs=-2")
    told = server.add("a b", *words, *more, code=1).output
    for mistake in (
        "--queue a,b: 'b': expected KEY=VALUE",
        "--option novalue: expected KEY=VALUE",
        "--hours 6: expected FROM-TO, such as 18-6",
        "max_wall = 'soon': expected a whole number",
        "cpus = -1: expected 0 or more",
        "max_jobs = -2: expected 0 or more",
        "the name 'a b': expected letters",
        "transport = 'ftp://x': expected local",
        "workdir = 'w': expected an absolute directory",
    ):
        assert mistake in told
    assert server.run("list", "--json").output.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--workdir=/w",), "batch is missing, such as batch = 'slurm'"),
        (("--batch=nope", "--workdir=/w"), "there is no adapter for batch system 'nope'"),
        ((*FORK, "--workdir=/w", "--queue=a", "--queue=a"), "queue a is there more than once"),
        (
            (*FORK, "--workdir=/w", "--queue=a,default=true", "--queue=b,default=true"),
            "more than one queue is the default",
        ),
        (
            (*FORK, "--workdir=/w", "--link=bandwidth=1", "--link=latency=1"),
            "link to everywhere is there more than once",
        ),
        ((*FORK, "--workdir=/w", "--queue=a,colour=red"), "queues: there is no 'colour'"),
    ],
)
def test_a_wrong_cluster_is_refused_with_the_reason(server, words, told):
    assert told in server.add("c", *words, code=1).output


def test_a_file_adds_all_its_clusters_or_none(server, tmp_path):
    file = tmp_path / "clusters.toml"
    file.write_text('[cluster.a]\nbatch = "fork"\nworkdir = "/a"\n[cluster.b]\nbatch = "fork"\n')
    told = server.run("add", "--no-probe", "--file", str(file), code=1).output
    assert "[cluster.b]: workdir = '': expected an absolute directory" in told
    file.write_text(file.read_text() + 'workdir = "/b"\n')
    server.run("add", "--no-probe", "--file", str(file))
    assert [item["name"] for item in json.loads(server.run("list", "--json").output)] == ["a", "b"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("add",), "give the NAME of the cluster, or --file"),
        (("add", "a", "--file", "{here}/x.toml"), "not both"),
        (("add", "--file", "{here}/missing.toml"), "cannot read"),
        (("add", "--file", "{here}/broken.toml"), "is not TOML"),
        (("add", "--file", "{here}/empty.toml"), "declares no cluster"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_cure(server, tmp_path, words, told):
    (tmp_path / "broken.toml").write_text("[cluster")
    (tmp_path / "empty.toml").write_text("")
    spelled = [word.format(here=tmp_path) for word in words]
    assert told in server.run(*spelled, code=1).output


def test_a_known_cluster_is_replaced_only_on_demand_and_stays_drained(server):
    server.add("c", *FORK, "--workdir=/w")
    server.run("drain", "c")
    assert (
        "registered already: c; --replace replaces"
        in server.add("c", *FORK, "--workdir=/w2", code=1).output
    )
    server.add("c", *FORK, "--workdir=/w2", "--replace")
    assert (server.cluster("c").workdir, server.cluster("c").drained) == ("/w2", True)


def test_adding_asks_the_cluster_and_fills_what_nobody_declared(server):
    server.run("add", "here", *FORK, f"--workdir={server.workdir}")
    found = server.cluster("here")
    assert found.cpus is not None
    assert found.memory is not None
    [shown] = json.loads(server.run("list", "--json").output)
    assert shown["state"] == "open"
    assert shown["measured"]["free_disk"] > 0
    assert shown["measured"]["age"] >= 0


def test_a_cluster_that_does_not_answer_is_added_with_a_warning(server):
    words = ("--transport=ssh://nobody@127.0.0.1:1", "--workdir=/w")
    told = server.run("add", "far", *FORK, *words).output
    assert "warning: far does not answer yet: " in told
    assert "cluster far is registered" in told
    assert "no answer" in server.run("show", "far").output
    assert "far: no answer: " in server.run("probe", "far", code=1).output


def test_probe_measures_now(server):
    server.add("here", *FORK, f"--workdir={server.workdir}")
    assert "not measured" in server.run("list").output
    assert server.run("probe").output.startswith("here: free_cpus")
    [told] = json.loads(server.run("probe", "here", "--json").output)
    assert (told["cluster"], told["ok"]) == ("here", True)
    shown = server.run("show", "here").output
    assert "measured:\n  free_cpus: " in shown
    assert " ago)\n" in shown
    assert "open" in server.run("list").output


def test_drain_and_resume_say_what_they_did(server):
    server.add("c", *FORK, "--workdir=/w")
    server.live_job("c")
    assert server.run("drain", "c").output == (
        "cluster c is drained; 1 live jobs go on to their end\n"
    )
    assert server.run("resume", "c").output == "cluster c is open\n"


def test_show_names_limits_queues_and_live_jobs(server):
    server.add("c", *FORK, "--workdir=/w", "--max-jobs=5", "--queue=q,max_wall=60")
    server.live_job("c")
    shown = server.run("show", "c").output
    for line in (
        "  max_jobs: 5",
        "  queues: name q, max_wall 60",
        "  /CN=Ann: 1",
        "measured: never",
    ):
        assert line in shown
    assert "1 of 5" in server.run("list").output


def test_a_cluster_with_live_jobs_is_not_removed(server):
    server.add("c", *FORK, "--workdir=/w")
    server.live_job("c")
    assert "drain it and wait for them" in server.run("remove", "c", code=1).output
    assert server.cluster("c").name == "c"


def test_a_removed_cluster_is_gone(server):
    server.add("c", *FORK, "--workdir=/w")
    assert server.run("remove", "c").output == "cluster c is removed\n"
    assert server.run("list", "--json").output.strip() == "[]"


@pytest.mark.parametrize("verb", ["show", "probe", "drain", "resume", "remove"])
def test_an_unknown_cluster_is_told_with_those_that_are_known(server, verb):
    server.add("c", *FORK, "--workdir=/w")
    assert "there is no cluster d; registered: c" in server.run(verb, "d", code=1).output
