"""The simulators speak as the systems were recorded, under the settings that change their ways."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from grms.adapters.condor import Condor
from grms.adapters.lsf import Lsf
from grms.adapters.pbs import Pbs
from grms.adapters.sge import Sge
from grms.adapters.slurm import Slurm
from grms.broker.ports.batch import BatchAdapter, Command, CommandResult, NativeState, Submission
from grms.broker.records import Cluster
from grms.errors import SiteError
from grms.transport.local import LocalTransport

ROOT = Path(__file__).parents[3]
SIMULATORS = ROOT / "testbed" / "simulators"
CAPTURED = ROOT / "tests" / "captured"
PATIENCE = 120.0


class Installation:
    """One simulator in a directory of its own."""

    def __init__(self, name: str, target: Path, settings: dict[str, Any]) -> None:
        self.program, self.target = SIMULATORS / f"{name}_sim.py", target
        self._own("--install")
        (target / "state" / "settings.json").write_text(json.dumps(settings))

    def _own(self, option: str) -> None:
        subprocess.run(
            [sys.executable, self.program, option, self.target], check=True, capture_output=True
        )

    def stop(self) -> None:
        self._own("--stop")

    def __call__(self, name: str, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        done = subprocess.run(
            [self.target / "bin" / name, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=self.target,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr


Make = Callable[..., Installation]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Installation] = []

    def install(name: str, **settings: Any) -> Installation:
        made.append(Installation(name, tmp_path / name, settings))
        return made[-1]

    yield install
    for one in made:
        one.stop()


def until(probe: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not probe():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def pbs_job(pbs: Installation, native_id: str) -> dict[str, Any]:
    document = json.loads(pbs("qstat", "-x", "-f", "-F", "json", native_id)[1])
    return dict(document["Jobs"][native_id])


def recorded(name: str) -> dict[str, Any]:
    document = json.loads((CAPTURED / "pbs" / name).read_text())
    return dict(next(iter(document["Jobs"].values())))


SAME = ("job_state", "substate", "Hold_Types", "Exit_status")


def same(job: dict[str, Any], name: str) -> bool:
    """The job looks as the recorded one did, and has no attribute that it had not."""
    other = recorded(name)
    return [job.get(key) for key in SAME] == [other.get(key) for key in SAME] and not (
        set(job) - set(other) - {"Account_Name", "comment"}
    )


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("exit 0", "qstat-xf-finished-0.json"),
        ("exit 3", "qstat-xf-finished-3.json"),
        ("kill -9 $$", "qstat-xf-finished-signal.json"),
        ("sh -c 'kill -9 $$'", "qstat-xf-finished-signal2.json"),
    ],
)
def test_a_finished_job_of_pbs_looks_as_recorded(make: Make, script: str, name: str) -> None:
    pbs = make("pbs")
    native_id = pbs("qsub", stdin=script)[1].strip()
    until(lambda: pbs_job(pbs, native_id)["job_state"] == "F")
    assert same(pbs_job(pbs, native_id), name)


def test_a_job_of_pbs_that_was_deleted_suspended_or_held_looks_as_recorded(make: Make) -> None:
    pbs = make("pbs")
    native_id = pbs("qsub", stdin="sleep 600")[1].strip()
    assert same(pbs_job(pbs, native_id), "qstat-xf-running.json")
    pbs("qsig", "-s", "suspend", native_id)
    assert same(pbs_job(pbs, native_id), "qstat-xf-suspended.json")
    pbs("qsig", "-s", "resume", native_id)
    pbs("qhold", native_id)
    assert same(pbs_job(pbs, native_id), "qstat-xf-run-held.json")
    pbs("qrls", native_id)
    assert pbs("qdel", native_id) == (0, "", "")
    until(lambda: pbs_job(pbs, native_id)["job_state"] == "F")
    assert same(pbs_job(pbs, native_id), "qstat-xf-finished-qdel.json")
    held = pbs("qsub", "-h", stdin="exit")[1].strip()
    assert same(pbs_job(pbs, held), "qstat-xf-held.json")


def test_a_job_of_pbs_that_is_too_big_waits_for_ever_as_recorded(make: Make) -> None:
    pbs = make("pbs")
    native_id = pbs("qsub", "-l", "select=1:ncpus=99", stdin="exit")[1].strip()
    job = pbs_job(pbs, native_id)
    assert same(job, "qstat-xf-queued-toobig.json")
    assert job["comment"] == recorded("qstat-xf-queued-toobig.json")["comment"]


def test_a_job_of_pbs_over_its_walltime_ends_as_recorded(make: Make) -> None:
    pbs = make("pbs")
    native_id = pbs("qsub", "-l", "walltime=1", stdin="sleep 600")[1].strip()
    until(lambda: pbs_job(pbs, native_id)["job_state"] == "F")
    job = pbs_job(pbs, native_id)
    assert (job["Exit_status"], job["substate"]) == (-29, 93)
    assert job["comment"].endswith("and exceeded resource walltime")


def test_pbs_refuses_in_the_recorded_words_and_codes(make: Make) -> None:
    pbs = make("pbs", operator=False)
    assert pbs("qsub", "-q", "nosuch", stdin="exit") == (170, "", "qsub: Unknown queue\n")
    code, _, said = pbs("qstat", "99999.pbshost")
    assert (code, said) == (153, "qstat: Unknown Job Id 99999.pbshost\n")
    native_id = pbs("qsub", stdin="sleep 600")[1].strip()
    code, _, said = pbs("qsig", "-s", "suspend", native_id)
    assert (code, "Unauthorized Request" in said) == (159, True)


def test_pbs_tells_the_finished_job_apart_from_the_unknown_one(make: Make) -> None:
    pbs = make("pbs")
    native_id = pbs("qsub", stdin="exit")[1].strip()
    until(lambda: pbs_job(pbs, native_id)["job_state"] == "F")
    code, out, said = pbs("qstat", "-f", "-F", "json", native_id)
    text = (CAPTURED / "pbs" / "qstat-f-finished-0.json").read_text()
    assert said.replace(native_id, "5.pbshost") == text.splitlines(keepends=True)[0]
    assert (code, "Jobs" in json.loads(out)) == (35, False)


def test_pbs_without_history_forgets_a_job_at_its_end(make: Make) -> None:
    pbs = make("pbs", history=False)
    native_id = pbs("qsub", "-N", "gone", stdin="exit")[1].strip()
    until(lambda: pbs("qstat", "-x", native_id)[0] == 153)
    assert pbs("qselect", "-x", "-N", "gone") == (0, "", "")


def test_the_json_of_pbs_makes_a_number_of_a_name(make: Make) -> None:
    pbs = make("pbs")
    native_id = pbs("qsub", "-N", "007", "-h", stdin="exit")[1].strip()
    assert pbs_job(pbs, native_id)["Job_Name"] == 7


def lsf_state(lsf: Installation, native_id: str) -> str:
    shown = lsf("bjobs", "-a", "-noheader", "-o", "stat exit_code delimiter='|'", native_id)
    return shown[1].strip()


@pytest.mark.parametrize(
    ("script", "end"),
    [("exit 0", "DONE|0"), ("exit 7", "EXIT|7"), ("sh -c 'kill -SEGV $$'", "EXIT|139")],
)
def test_ends_in_lsf_look_as_recorded(make: Make, script: str, end: str) -> None:
    lsf = make("lsf", first_id=101)
    assert lsf("bsub", stdin=script)[1] == "Job <101> is submitted to queue <normal>.\n"
    until(lambda: lsf_state(lsf, "101") == end)


def test_lsf_suspends_resumes_and_kills_as_recorded(make: Make) -> None:
    lsf = make("lsf", first_id=101)
    lsf("bsub", stdin="sleep 600")
    assert lsf("bstop", "101")[1] == "Job <101> is being stopped\n"
    assert lsf_state(lsf, "101") == "USUSP|"
    assert lsf("bresume", "101")[1] == "Job <101> is being resumed\n"
    assert lsf_state(lsf, "101") in ("SSUSP|", "RUN|")
    until(lambda: lsf_state(lsf, "101") == "RUN|")
    assert lsf("bkill", "101")[1] == "Job <101> is being terminated\n"
    until(lambda: lsf_state(lsf, "101") == "EXIT|130")
    assert "Exited with exit code 130." in lsf("bhist", "-l", "101")[1]


def test_a_job_of_lsf_killed_while_it_waits_has_no_exit_code(make: Make) -> None:
    lsf = make("lsf", first_id=104)
    lsf("bsub", "-H", stdin="exit")
    assert lsf_state(lsf, "104") == "PSUSP|"
    lsf("bkill", "104")
    assert lsf_state(lsf, "104") == "EXIT|"


def test_lsf_refuses_in_the_recorded_words_and_codes(make: Make) -> None:
    lsf = make("lsf")
    said = "nosuch: No such queue. Job not submitted.\n"
    assert lsf("bsub", "-q", "nosuch", stdin="exit") == (255, "", said)
    said = "Too many processors requested. Job not submitted.\n"
    assert lsf("bsub", "-n", "99", stdin="exit") == (255, "", said)
    assert lsf("bjobs", "99999") == (255, "", "Job <99999> is not found\n")
    first = (CAPTURED / "lsf" / "bjobs-json-unsupported.txt").read_text().splitlines()[0]
    assert lsf("bjobs", "-json")[2].splitlines()[0] == first


def test_lsf_forgets_after_its_clean_period_but_its_log_does_not(make: Make) -> None:
    lsf = make("lsf", first_id=101, clean_period=0)
    lsf("bsub", "-J", "ga", stdin="exit 7")
    until(lambda: lsf("bjobs", "-a", "101")[2] == "Job <101> is not found\n")
    assert "Exited with exit code 7." in lsf("bhist", "-n", "0", "-l", "101")[1]


def test_the_report_of_lsf_is_appended_above_the_output(make: Make, tmp_path: Path) -> None:
    lsf = make("lsf", first_id=101)
    output = tmp_path / "out"
    output.write_text("before\n")
    lsf("bsub", "-o", str(output), stdin="echo hello")
    until(lambda: lsf_state(lsf, "101") == "DONE|0")
    text = output.read_text()
    assert text.startswith("before\nSender: OpenLava System")
    assert text.endswith("The output (if any) follows:\n\nhello\n")


def test_lsid_of_lsf_is_as_recorded(make: Make) -> None:
    assert make("lsf")("lsid")[1].strip() == (CAPTURED / "lsf" / "lsid.txt").read_text().strip()


def test_files_of_a_simulator_are_closed_to_others(make: Make) -> None:
    pbs = make("pbs")
    pbs("qsub", "-h", stdin="exit")
    assert (pbs.target / "state" / "jobs" / "1.json").stat().st_mode & 0o077 == 0


ADAPTERS = {
    "pbs": lambda folder: Pbs(Cluster("c", "pbs", options={"bin": folder, "history": "yes"})),
    "lsf": lambda folder: Lsf(Cluster("c", "lsf", options={"bin": folder, "dialect": "openlava"})),
    "slurm": lambda folder: Slurm(Cluster("c", "slurm", options={"bin": folder})),
    "sge": lambda folder: Sge(Cluster("c", "sge", options={"bin": folder})),
    "condor": lambda folder: Condor(Cluster("c", "condor", options={"bin": folder})),
}


@pytest.fixture(params=ADAPTERS)
def faulty(request: pytest.FixtureRequest, make: Make) -> tuple[Installation, BatchAdapter]:
    """A system with its adapter."""
    system = make(request.param)
    return system, ADAPTERS[request.param](str(system.target / "bin"))


def run(command: Command) -> CommandResult:
    return LocalTransport().run(command)


def waiting(system: Installation, *, hold: bool = True, tag: str = "ga") -> Submission:
    """A submission that is held, so that it stays; else it ends with 7 at once."""
    script = system.target / "job.sh"
    script.write_text("exit 7\n")
    folder = str(system.target)
    return Submission(tag, ("false",), folder, folder, hold=hold)


def submitted(system: Installation, adapter: BatchAdapter, **more: Any) -> str:
    """The native id of a new job."""
    return adapter.parse_submit(run(adapter.submit_command(waiting(system, **more))))


def ended(adapter: BatchAdapter, native_id: str, tag: str) -> bool:
    """True once the system has a record of the job's end."""
    account = adapter.parse_account(run(adapter.account_command([native_id]))).get(native_id)
    return account is not None and account.tag in ("", tag)


def spoil(system: Installation, fault: str) -> None:
    """From now on it misbehaves; "" ends that."""
    (system.target / "state" / "fault").write_text(fault)


def test_a_system_that_is_down_says_nothing_of_any_job(
    faulty: tuple[Installation, BatchAdapter],
) -> None:
    system, adapter = faulty
    native_id = adapter.parse_submit(run(adapter.submit_command(waiting(system))))
    spoil(system, "down")
    with pytest.raises(SiteError):
        adapter.parse_status(run(adapter.status_command([native_id])))
    with pytest.raises(SiteError):
        adapter.parse_account(run(adapter.account_command([native_id])))
    with pytest.raises(SiteError):
        adapter.parse_find([run(command) for command in adapter.find_commands(["ga"])])
    with pytest.raises(SiteError):
        adapter.parse_outcome("cancel", [native_id], run(adapter.cancel_command([native_id])))
    with pytest.raises(SiteError) as caught:
        adapter.parse_submit(run(adapter.submit_command(waiting(system))))
    assert caught.value.transient


def test_a_job_that_an_empty_queue_denies_is_absent_not_ended(
    faulty: tuple[Installation, BatchAdapter],
) -> None:
    system, adapter = faulty
    native_id = adapter.parse_submit(run(adapter.submit_command(waiting(system))))
    spoil(system, "empty")
    assert adapter.parse_status(run(adapter.status_command([native_id]))) == {}
    assert adapter.parse_account(run(adapter.account_command([native_id]))) == {}


def test_a_job_whose_answer_was_lost_is_found_by_its_tag(
    faulty: tuple[Installation, BatchAdapter],
) -> None:
    system, adapter = faulty
    spoil(system, "lost")
    with pytest.raises(SiteError) as caught:
        adapter.parse_submit(run(adapter.submit_command(waiting(system))))
    assert caught.value.transient
    spoil(system, "")
    found = adapter.parse_find([run(command) for command in adapter.find_commands(["ga"])])
    assert len(found["ga"]) == 1


def test_an_answer_that_comes_late_is_the_true_one(
    faulty: tuple[Installation, BatchAdapter],
) -> None:
    system, adapter = faulty
    spoil(system, "late 0.2")
    begun = time.monotonic()
    native_id = submitted(system, adapter)
    assert time.monotonic() - begun >= 0.2
    assert adapter.parse_status(run(adapter.status_command([native_id])))[native_id].tag == "ga"


@pytest.mark.parametrize("fault", ["partial", "foreign"])
def test_an_answer_that_is_cut_or_is_not_the_systems_ends_no_job(
    faulty: tuple[Installation, BatchAdapter], fault: str
) -> None:
    system, adapter = faulty
    native_id = submitted(system, adapter)
    spoil(system, fault)
    for _ in range(4):
        with suppress(SiteError):
            found = adapter.parse_status(run(adapter.status_command([native_id]))).values()
            assert {status.state for status in found} <= {NativeState.HELD, NativeState.UNKNOWN}
        with suppress(SiteError):
            assert adapter.parse_account(run(adapter.account_command([native_id]))) == {}


def test_a_forgotten_job_was_acknowledged_and_is_nowhere(
    faulty: tuple[Installation, BatchAdapter],
) -> None:
    system, adapter = faulty
    spoil(system, "forgets")

    def is_forgotten(native_id: str) -> bool:
        return native_id not in adapter.parse_status(run(adapter.status_command([native_id])))

    until(lambda: is_forgotten(submitted(system, adapter)))


def test_a_number_that_comes_again_is_another_jobs(
    faulty: tuple[Installation, BatchAdapter],
) -> None:
    system, adapter = faulty
    (system.target / "state" / "settings.json").write_text(json.dumps({"last_id": 1}))
    first = submitted(system, adapter, hold=False, tag="gold")
    until(lambda: ended(adapter, first, "gold"))
    assert submitted(system, adapter, tag="gnew") == first
    assert adapter.parse_status(run(adapter.status_command([first])))[first].tag == "gnew"


def test_a_clock_that_is_wrong_shows_in_the_times(
    faulty: tuple[Installation, BatchAdapter],
) -> None:
    system, adapter = faulty
    (system.target / "state" / "settings.json").write_text(json.dumps({"clock": -86400}))
    native_id = submitted(system, adapter)
    at = adapter.parse_status(run(adapter.status_command([native_id])))[native_id].submitted_at
    assert at is None or at.timestamp() < time.time() - 80000
