"""Five forced moves over unlike batch systems: SGE, Slurm, HTCondor, a host behind SSH, and SGE."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle, dropwhile, islice, pairwise
from pathlib import Path

import pytest
from broker import Broker
from moving import (
    COUNT,
    PATIENCE,
    QUICK,
    SLOW,
    counting_job,
    expect,
    faster,
    migrate_by_command,
    migrate_by_soap,
    steps_done,
    undisturbed,
    with_progress,
)

TESTBED = Path(__file__).parents[2] / "testbed"
CONDOR = Path(os.environ.get("GRMS_CONDOR_PREFIX", "/opt/grms-condor"))
NAMES = ("sge", "slurm", "condor", "fork")
PYTHON = "/usr/bin/python3"
STEPS = 600

pytestmark = [
    pytest.mark.sge,
    pytest.mark.slurm,
    pytest.mark.condor,
    pytest.mark.sshd,
    pytest.mark.timeout(1500),
]


def _up(*words: object, env: Mapping[str, str] | None = None) -> str:
    """Start a real system, or skip aloud."""
    if os.geteuid() != 0:
        pytest.skip("the real batch systems are started by root alone")
    done = subprocess.run(
        [str(word) for word in words],
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode == 3:
        pytest.skip(f"{words[0]}: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def _sshd(folder: Path) -> Iterator[dict[str, str]]:
    lines = _up(TESTBED / "sshd-up", folder, env={"SSHD_ACCOUNT": "grid"}).splitlines()
    try:
        yield dict(line.removeprefix("export ").split("=", 1) for line in lines)
    finally:
        subprocess.run([TESTBED / "sshd-down", folder], check=True, timeout=60)


@pytest.fixture
def ground() -> Iterator[Path]:
    """A directory that the account of the jobs can reach and write in."""
    place = Path(tempfile.mkdtemp(prefix="grms-moves-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place, ignore_errors=True)


def _clusters(ground: Path, ssh: Mapping[str, str]) -> Path:
    transport = f"ssh://grid@{ssh['SSHD_HOST']}:{ssh['SSHD_PORT']}"
    options = {
        "sge": "",
        "slurm": "",
        "condor": f'bin = "{CONDOR / "bin"}"\ncondor_config = "{CONDOR / "condor_config"}"\n',
        "fork": f'key_file = "{ssh["SSHD_KEY"]}"\nknown_hosts = "{ssh["SSHD_KNOWN_HOSTS"]}"\n',
    }
    text = ""
    for batch, more in options.items():
        workdir = ground / batch
        for part in ("", "bin", "inbox", "tags", "jobs"):  # probes come as root, jobs as grid
            (workdir / part).mkdir()
            shutil.chown(workdir / part, "grid")
        way = transport if batch == "fork" else "local+sudo"
        text += f'[cluster.{batch}]\nbatch = "{batch}"\nhost = "{batch}.grid"\n'
        text += f'transport = "{way}"\nworkdir = "{workdir}"\n'
        text += f'[cluster.{batch}.options]\npython = "/usr/bin/python3"\n{more}'
    file = ground / "clusters.toml"
    file.write_text(text)
    return file


@contextmanager
def _grid(ground: Path, **settings: str) -> Iterator[Broker]:
    """A broker that knows all four, each with its real system."""
    for script in ("sge-up", "slurm-up", "condor-up"):
        _up(TESTBED / script)
    with _sshd(ground / "sshd") as ssh:
        place = ground / "broker"
        env = {
            "GRMS_CLUSTERS_FILE": str(_clusters(ground, ssh)),
            "GRMS_FILE_ROOTS": f"{place / 'files'}:{COUNT.parent}",
            "GRMS_CALLS_PER_MINUTE": "30",
            **settings,
        }
        broker = Broker(place, env, account="grid")
        broker.start()
        try:
            yield broker
        finally:
            broker.kill()


def _log(ground: Path) -> Path:
    """Where the job writes down what it did."""
    logs = ground / "logs"
    logs.mkdir()
    shutil.chown(logs, "grid")
    return logs / "steps"


def _judge(broker: Broker, job_id: str, log: Path) -> None:
    """The result is that of an undisturbed run, and every step was done once, one at a time."""
    assert broker.wait(job_id, patience=PATIENCE) == "FINISHED"
    assert int((broker.files / "result").read_text()) == undisturbed(STEPS)
    done = steps_done(log)
    assert [step for _, _, step in done] == list(range(1, STEPS + 1))  # none lost, none twice
    assert all(end <= begin for (_, end, _), (begin, _, _) in pairwise(done))  # one at a time


def _goes_on(broker: Broker, job_id: str, log: Path) -> None:
    """Wait until it runs and does some steps."""
    expect(broker, job_id, lambda: broker.state(job_id) == "RUNNING", "the job to run")
    seen = len(steps_done(log))
    expect(broker, job_id, lambda: len(steps_done(log)) > seen + 3, "some steps")


def _runs_on(broker: Broker, job_id: str, cluster: str) -> None:
    """Wait until its run on a cluster has begun; a quick one may be over when it is looked at."""
    expect(
        broker,
        job_id,
        lambda: (
            broker.attempts(job_id)[-1].cluster == cluster
            and broker.state(job_id) in ("RUNNING", "STOPPED", "POSTPROCESSING", "FINISHED")
        ),
        f"the job to run on {cluster}",
    )


@pytest.mark.parametrize(
    "migrate",
    [pytest.param(migrate_by_soap, id="SOAP"), pytest.param(migrate_by_command, id="grms-client")],
)
def test_five_moves_over_unlike_systems_change_nothing_of_the_result(
    ground: Path, migrate: Callable[[Broker, str, str], None]
) -> None:
    dice = random.Random(5)
    with _grid(ground) as broker:
        out, log = broker.files / "result", _log(ground)

        def job(host: str, pace: float = SLOW) -> str:
            return counting_job(out, STEPS, pace, host=f"{host}.grid", log=log, python=PYTHON)

        with broker.client() as client:
            job_id = client.submit(job("sge"))
        for target in ("slurm", "condor", "fork", "sge", "slurm"):
            _goes_on(broker, job_id, log)
            last = len(broker.attempts(job_id)) == 5
            migrate(broker, job_id, job(target, QUICK if last else SLOW))
            moment = dice.choice(["MIGRATE_EXEC_SUSPEND", "MIGRATE_STAGE_OUT", "MIGRATE_SUBMIT"])
            expect(broker, job_id, lambda m=moment: _reached(broker, job_id, m), moment)
            broker.kill()
            broker.start()
            _runs_on(broker, job_id, target)
        _judge(broker, job_id, log)
        places = [attempt.cluster for attempt in broker.attempts(job_id)]
        assert places == ["sge", "slurm", "condor", "fork", "sge", "slurm"]


def test_five_moves_by_policy_over_unlike_systems_change_nothing_of_the_result(
    ground: Path,
) -> None:
    policy = {"POLICY": "better-off", "INTERVAL": "1", "MIN_STAY": "0", "MOVES_A_DAY": "5"}
    with _grid(ground, **{f"GRMS_MIGRATE_{k}": v for k, v in policy.items()}) as broker:
        log, clusters = _log(ground), Path(broker.env["GRMS_CLUSTERS_FILE"])

        def job(pace: float) -> str:
            out = broker.files / "result"
            return with_progress(counting_job(out, STEPS, pace, log=log, python=PYTHON), PYTHON)

        with broker.client() as client:
            job_id = client.submit(job(SLOW))
        _goes_on(broker, job_id, log)
        first = broker.attempts(job_id)[-1].cluster
        turn = list(islice(dropwhile(lambda name: name != first, cycle(NAMES)), 6))
        speeds = [1000 * 10**n for n in range(6)]
        faster(clusters, first, speeds[0])
        for target, speed in zip(turn[1:], speeds[1:], strict=True):
            _goes_on(broker, job_id, log)
            broker.kill()
            faster(clusters, target, speed)  # somebody has built new machines
            broker.start()
            _runs_on(broker, job_id, target)
        with broker.client() as client:
            client.suspend(job_id)
            expect(broker, job_id, lambda: broker.state(job_id) == "SUSPENDED", "the job to rest")
            client.resume(job_id, job(QUICK))
        _judge(broker, job_id, log)
        assert [attempt.cluster for attempt in broker.attempts(job_id)][:6] == turn
        why = [e.text for e in broker.events(job_id) if e.text.startswith("better-off wishes")]
        assert len(why) == 5


def _reached(broker: Broker, job_id: str, status: str) -> bool:
    """True when the newest move has come to this step, or beyond to the next run."""
    names = [event.text for event in broker.events(job_id) if event.kind.name == "STATUS"]
    last = (
        len(names) - 1 - names[::-1].index("MIGRATE_EXEC_SUSPEND")
        if ("MIGRATE_EXEC_SUSPEND" in names)
        else len(names)
    )
    return status in names[last:]
