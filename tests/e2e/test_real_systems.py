"""The whole broker over real batch systems: what a user sees is the same on each of them."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from broker import eventually
from jobs import shell_job
from real_systems import SYSTEMS, Grid, System, grid, kill_daemon, restart_daemon

from grms.broker.records import JobEvent
from grms.store import open_store

EXAMPLES = Path(__file__).parents[2] / "examples"
MANIFEST = tomllib.loads((EXAMPLES / "manifest.toml").read_text("utf-8"))["example"]
ODD = ["", " ", "a b", "'", '"', "\\n", "$HOME", "`id`", "*", "%s", "ß→🙂", "-n"]
LONG = 300.0
#: What SGE, HTCondor and the simulators of the test bed have.
_SLOTS = 16


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    """One broker for the tests of this module."""
    with grid(tmp_path_factory.mktemp("real")) as found:
        yield found


@dataclass
class Place:
    """One system in the broker's hands, and a directory of the test's own."""

    system: System
    grid: Grid
    files: Path

    def submit(self, script: str, extra: str = "", **more: Any) -> str:
        """Submit a shell job to this system."""
        text = shell_job(script, resource=self.system.resource(extra), **more)
        with self.grid.broker.client() as client:
            return client.submit(text)

    def wait(self, job_id: str, *states: str) -> str:
        """The first of ``states`` (default: an end), or the end that came instead."""
        ends = ("FINISHED", "FAILED", "CANCELED")
        return self.grid.broker.wait(job_id, *states, *ends, patience=LONG)

    def error(self, job_id: str) -> str:
        with self.grid.broker.client() as client:
            return str(client.info(job_id).error_description)

    def url(self, name: str) -> str:
        return f"file://{self.files}/{name}"

    def events(self, job_id: str) -> list[JobEvent]:
        store = open_store(f"sqlite:///{self.grid.broker.data}/grms.db")
        try:
            return list(store.events(job_id))
        finally:
            store.close()

    def runs(self) -> list[str]:
        """What the jobs of the test have left in the tally."""
        tally = self.files / "tally"
        return tally.read_text().split() if tally.exists() else []


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.xdist_group(f"grms-{name}")) for name in SYSTEMS]
)
def system(request: pytest.FixtureRequest) -> str:
    """The name of a batch system."""
    return str(request.param)


@pytest.fixture
def place(system: str, everything: Grid, request: pytest.FixtureRequest) -> Place:
    """The system; skipped aloud where this machine has none."""
    if system in everything.missing:
        pytest.skip(f"no {system} here: {everything.missing[system]}")
    files = everything.scratch / re.sub(r"\W+", "-", request.node.name)
    files.mkdir()
    files.chmod(0o1777)
    return Place(SYSTEMS[system], everything, files)


def test_a_job_passes_all_states_and_delivers_its_streams(place: Place) -> None:
    job_id = place.submit("echo Hello; echo bad >&2; sleep 1", stdout=place.url("out"))
    assert place.wait(job_id) == "FINISHED", place.error(job_id)
    assert (place.files / "out").read_text() == "Hello\n"
    states = [event.data["to"] for event in place.events(job_id) if event.kind.value == "state"]
    assert states == [
        "PREPROCESSING", "PENDING", "RUNNING", "STOPPED", "POSTPROCESSING", "FINISHED",
    ]  # fmt: skip


def test_a_job_is_sent_by_the_name_of_its_batch_system(place: Place) -> None:
    resource = f"<resource><localrmname>{place.system.batch}</localrmname></resource>"
    with place.grid.broker.client() as client:
        job_id = client.submit(shell_job("true", resource=resource))
        assert place.wait(job_id) == "FINISHED"
    said = [event.text for event in place.events(job_id) if event.text.startswith("placed on")]
    assert said
    assert f"{place.system.name}-host/jobmanager-{place.system.batch}" in said[0]


@pytest.mark.parametrize(
    ("script", "told"),
    [("exit 7", "exit code 7"), ("exit 255", "exit code 255"), ("kill -SEGV $$", "signal 11")],
    ids=["7", "255", "SEGV"],
)
def test_the_end_of_the_program_is_told(place: Place, script: str, told: str) -> None:
    job_id = place.submit(script)
    assert place.wait(job_id) == "FAILED"
    assert told in place.error(job_id)


def test_files_and_standard_input_are_brought_and_taken(place: Place) -> None:
    (place.files / "in").write_text("given\n")
    (place.files / "std").write_text("typed\n")
    files = (
        f'<file name="a.dat" type="in"><url>{place.url("in")}</url></file>'
        f'<file name="b.dat" type="out"><url>{place.url("made")}</url></file>'
    )
    text = shell_job(
        "cat a.dat > b.dat; cat; echo bad >&2",
        stdout=place.url("out"),
        files=files,
        resource=place.system.resource(),
    ).replace(
        f"<stdout><url>{place.url('out')}</url></stdout>",
        f"<stdin><url>{place.url('std')}</url></stdin>"
        f"<stdout><url>{place.url('out')}</url></stdout>"
        f"<stderr><url>{place.url('err')}</url></stderr>",
    )
    with place.grid.broker.client() as client:
        job_id = client.submit(text)
    assert place.wait(job_id) == "FINISHED", place.error(job_id)
    found = [(place.files / name).read_text() for name in ("made", "out", "err")]
    assert found == ["given\n", "typed\n", "bad\n"]


def test_a_multiple_job_runs_its_processes(place: Place) -> None:
    job_id = place.submit(
        "echo $GRMS_RANK of $GRMS_COUNT",
        stdout=place.url("out"),
        attributes='type="multiple" count="2"',
    )
    assert place.wait(job_id) == "FINISHED", place.error(job_id)
    assert sorted((place.files / "out").read_text().splitlines()) == ["0 of 2", "1 of 2"]


def test_arguments_and_environment_arrive_as_they_were_given(place: Place) -> None:
    values = "".join(f"<value>{escape(value)}</value>" for value in ["sh", *ODD])
    variables = "".join(
        f'<variable name="ODD{n}">{escape(value)}</variable>' for n, value in enumerate(ODD)
    )
    names = " ".join(f'"$ODD{n}"' for n in range(len(ODD)))
    job_id = place.submit(
        f"printf '%s|' \"$@\"; echo; printf '%s|' {names}",
        stdout=place.url("out"),
        files=values,
        environment=f"<environment>{variables}</environment>",
    )
    assert place.wait(job_id) == "FINISHED", place.error(job_id)
    arguments, environment = (place.files / "out").read_text("utf-8").splitlines()
    assert arguments == environment == "".join(f"{value}|" for value in ODD)


def test_the_job_runs_as_the_account_of_its_owner(place: Place) -> None:
    if not place.system.real:
        pytest.skip("the simulators run jobs as whoever calls them")
    job_id = place.submit("id -un", stdout=place.url("out"))
    assert place.wait(job_id) == "FINISHED"
    assert (place.files / "out").read_text() == "grid\n"


def test_a_running_job_is_suspended_and_resumed_in_place(place: Place) -> None:
    clock = place.files / "clock"
    job_id = place.submit(f"for i in $(seq 3000); do echo $i >> {clock}; sleep 0.1; done")
    place.wait(job_id, "RUNNING")
    with place.grid.broker.client() as client:
        client.suspend(job_id)
        place.wait(job_id, "SUSPENDED")
        stood = clock.read_text()
        client.resume(job_id)
        place.wait(job_id, "RUNNING")
        eventually(lambda: clock.read_text() > stood, "the program to go on", LONG)
        client.cancel(job_id)
    assert place.wait(job_id) == "CANCELED"


def test_a_running_job_is_canceled(place: Place) -> None:
    job_id = place.submit(f"echo x >> {place.files}/tally; sleep 3000")
    eventually(place.runs, "the program to run", LONG)
    with place.grid.broker.client() as client:
        client.cancel(job_id)
    assert place.wait(job_id) == "CANCELED"


def test_a_waiting_job_is_canceled_before_it_runs(place: Place) -> None:
    if place.system.name == "ssh":
        pytest.skip("without a batch system nothing waits")
    blockers = []
    if not place.system.closed:  # fill its slots
        blockers = [_wide(place, "sleep 3000", _SLOTS)]
        assert place.wait(blockers[0], "RUNNING") == "RUNNING", place.error(blockers[0])
    job_id = _wide(place, f"echo x >> {place.files}/tally", 1 if place.system.closed else _SLOTS)
    assert place.wait(job_id, "PENDING") == "PENDING", place.error(job_id)
    with place.grid.broker.client() as client:
        for unwanted in (job_id, *blockers):
            client.cancel(unwanted)
    assert [place.wait(unwanted) for unwanted in (job_id, *blockers)] == ["CANCELED"] * (
        1 + len(blockers)
    )
    assert place.runs() == []


def _wide(place: Place, script: str, count: int) -> str:
    attributes = f'type="multiple" count="{count}"'
    return place.submit(script, place.system.closed, attributes=attributes)


def test_the_wall_limit_is_named(place: Place) -> None:
    text = shell_job("sleep 3000", resource=place.system.resource()).replace(
        "</executable>",
        "</executable><executionTime><execDuration>PT1S</execDuration></executionTime>",
    )
    with place.grid.broker.client() as client:
        job_id = client.submit(text)
    assert place.wait(job_id) == "FAILED"
    assert "wall limit" in place.error(job_id)


@pytest.mark.parametrize(
    "system",
    [pytest.param(n, marks=pytest.mark.xdist_group(f"grms-{n}")) for n in ("slurm", "sge")],
)
def test_what_can_never_run_fails_with_the_reason_of_the_batch_system(place: Place) -> None:
    if place.system.name == "slurm":  # as many as all its hosts have, but none of them alone
        job_id = place.submit("true", attributes='type="multiple" count="20"')
        told = "node configuration is not available"
    else:  # longer than the queue allows
        limits = "<queue>short.q</queue><maxwalltime>60</maxwalltime>"
        job_id = place.submit("true", limits)
        told = "no suitable queues"
    assert place.wait(job_id) == "FAILED"
    assert told in place.error(job_id)


@pytest.mark.parametrize("example", MANIFEST, ids=lambda example: Path(example["file"]).stem)
def test_the_example_ends_and_delivers_as_its_manifest_says(
    place: Place, example: dict[str, Any]
) -> None:
    text = (EXAMPLES / example["file"]).read_text("utf-8")
    if "<localrmname>" in text and f"<localrmname>{place.system.batch}<" not in text:
        pytest.skip("the example names another batch system")
    if "mpi" in example.get("needs", []) and shutil.which("mpirun") is None:
        pytest.skip("needs an MPI launcher (mpirun)")
    data = place.files / "data"
    shutil.copytree(EXAMPLES / "data", data)
    for path in (data, *data.rglob("*")):
        path.chmod(path.stat().st_mode | 0o055)
    text = text.replace("/tmp/grms-examples", str(data))
    text = re.sub(r"<hostname>.*?</hostname>", "", text, flags=re.DOTALL)
    host = f"<hostname>{place.system.name}-host</hostname>"
    if "<resource>" in text:
        text = text.replace("<resource>", f"<resource>{host}")
    else:
        text = text.replace("<simplejob>", f"<simplejob>{place.system.resource()}")
    with place.grid.broker.client() as client:
        job_id = client.submit(text)
        if example.get("wish") == "cancel":
            place.wait(job_id, "RUNNING")
            client.cancel(job_id)
    assert place.wait(job_id) == example["end"], place.error(job_id)
    if example["end"] == "FAILED":
        assert f"exit code {example['exit_code']}" in place.error(job_id)
    for path, wanted in example.get("outputs", {}).items():
        found = Path(path.replace("/tmp/grms-examples", str(data))).read_text("utf-8")
        assert wanted.get("text", found) == found
        assert re.fullmatch(wanted.get("regex", ".*"), found, re.DOTALL), found
        assert wanted.get("holds", "") in found


CODES = [0, 3, 0, 7]


def _counting_jobs(place: Place, go: Path) -> list[str]:
    """Jobs that each leave a line in the tally, wait for ``go`` and end with their own code."""
    return [
        place.submit(
            f"echo {n} >> {place.files}/tally; while [ ! -e {go} ]; do sleep 0.2; done; exit {code}"
        )
        for n, code in enumerate(CODES)
    ]


def _ended_once_and_truly(place: Place, ids: list[str]) -> None:
    states = [place.wait(job_id) for job_id in ids]
    assert states == ["FINISHED" if code == 0 else "FAILED" for code in CODES]
    assert sorted(place.runs()) == [str(n) for n in range(len(CODES))]
    for job_id, code in zip(ids, CODES, strict=True):
        assert code == 0 or f"exit code {code}" in place.error(job_id)


def test_jobs_outlive_a_kill_of_the_broker_and_end_once_with_their_true_codes(
    place: Place,
) -> None:
    go = place.files / "go"
    ids = _counting_jobs(place, go)
    eventually(lambda: len(place.runs()) >= 2, "some jobs to start", LONG)
    place.grid.broker.kill()
    go.touch()
    place.grid.broker.start()
    _ended_once_and_truly(place, ids)


@pytest.mark.parametrize(
    "system",
    [
        pytest.param(name, marks=pytest.mark.xdist_group(f"grms-{name}"))
        for name, system in SYSTEMS.items()
        if system.daemon
    ],
)
@pytest.mark.disruptive
@pytest.mark.timeout(900)
def test_jobs_outlive_a_kill_of_the_batch_systems_daemon(place: Place) -> None:
    go = place.files / "go"
    ids = _counting_jobs(place, go)
    eventually(lambda: len(place.runs()) == len(CODES), "all jobs to start", LONG)
    kill_daemon(place.system)
    try:
        late = place.submit(f"echo late >> {place.files}/late")
        go.touch()
    finally:
        restart_daemon(place.system)
    _ended_once_and_truly(place, ids)
    assert place.wait(late) == "FINISHED", place.error(late)
    assert (place.files / "late").read_text() == "late\n"
