"""Five forced moves over unlike batch systems: SGE, Slurm, HTCondor, a host behind SSH, and SGE."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from broker import Broker
from moving import COUNT, PATIENCE, counting_job, expect, steps_done, undisturbed

TESTBED = Path(__file__).parents[2] / "testbed"
CONDOR = Path(os.environ.get("GRMS_CONDOR_PREFIX", "/opt/grms-condor"))
STEPS = 500

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


def test_five_moves_over_unlike_systems_change_nothing_of_the_result(ground: Path) -> None:
    for script in ("sge-up", "slurm-up", "condor-up"):
        _up(TESTBED / script)
    with _sshd(ground / "sshd") as ssh:
        place = ground / "broker"
        env = {
            "GRMS_CLUSTERS_FILE": str(_clusters(ground, ssh)),
            "GRMS_FILE_ROOTS": f"{place / 'files'}:{COUNT.parent}",
            "GRMS_CALLS_PER_MINUTE": "30",
        }
        broker = Broker(place, env, account="grid")
        broker.start()
        try:
            _move_about(broker, ground)
        finally:
            broker.kill()


def _move_about(broker: Broker, ground: Path) -> None:
    out, logs = broker.files / "result", ground / "logs"
    logs.mkdir()
    shutil.chown(logs, "grid")
    log = logs / "steps"

    def job(host: str) -> str:
        return counting_job(
            out, STEPS, 0.1, host=f"{host}.grid", log=log, python="/usr/bin/python3"
        )

    dice = random.Random(5)
    with broker.client() as client:
        job_id = client.submit(job("sge"))
    for target in ("slurm", "condor", "fork", "sge", "slurm"):
        expect(broker, job_id, lambda: broker.state(job_id) == "RUNNING", "the job to run")
        seen = len(steps_done(log))
        expect(broker, job_id, lambda seen=seen: len(steps_done(log)) > seen + 3, "some steps")
        with broker.client() as client:
            client.migrate(job_id, job(target))
        moment = dice.choice(["MIGRATE_EXEC_SUSPEND", "MIGRATE_STAGE_OUT", "MIGRATE_SUBMIT"])
        expect(broker, job_id, lambda m=moment: _reached(broker, job_id, m), moment)
        broker.kill()
        broker.start()
        expect(
            broker,
            job_id,
            lambda t=target: (
                broker.attempts(job_id)[-1].cluster == t and broker.state(job_id) == "RUNNING"
            ),
            f"the job to run on {target}",
        )
    assert broker.wait(job_id, patience=PATIENCE) == "FINISHED"
    places = [attempt.cluster for attempt in broker.attempts(job_id)]
    assert places == ["sge", "slurm", "condor", "fork", "sge", "slurm"]
    assert int(out.read_text()) == undisturbed(STEPS)
    done = steps_done(log)
    assert [step for _, _, step in done] == list(range(1, STEPS + 1))  # none lost, none twice
    assert all(end <= begin for (_, end, _), (begin, _, _) in pairwise(done))  # one at a time


def _reached(broker: Broker, job_id: str, status: str) -> bool:
    """True when the newest move has come to this step, or beyond to the next run."""
    names = [event.text for event in broker.events(job_id) if event.kind.name == "STATUS"]
    last = (
        len(names) - 1 - names[::-1].index("MIGRATE_EXEC_SUSPEND")
        if ("MIGRATE_EXEC_SUSPEND" in names)
        else len(names)
    )
    return status in names[last:]
