"""What only a real HTCondor can show: it does not start a job again by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sites.jobs import act, reaches, run_python, state, submit, wait_for
from sites.site import Site

from grms.broker.ports.batch import Command, CommandResult, NativeState

pytestmark = [pytest.mark.condor, pytest.mark.parametrize("site", ["condor"], indirect=True)]

COUNT = "import time; open('starts', 'a').write('x'); time.sleep(600)"


def tool(site: Site, name: str, *arguments: str) -> CommandResult:
    """Run another of HTCondor's tools, with the adapter's own surroundings."""
    like = site.adapter.status_command([])
    program = like.argv[0].replace("condor_q", name)
    return site.transport.run(Command((program, *arguments), env=like.env))


def test_a_job_that_lost_its_machine_is_faulty_and_never_starts_again(site: Site) -> None:
    job = run_python(site, COUNT)
    wait_for(lambda: job.read(job.work("starts")), "the start")
    reaches(job, NativeState.RUNNING)
    assert tool(site, "condor_vacate_job", job.native_id).exit == 0
    reaches(job, NativeState.FAULTY)
    wait_for(lambda: tool(site, "condor_reschedule").exit == 0, "a round of matching")
    later = submit(site, ["true"])
    later.ended()  # a job that came after it was matched and ran meanwhile
    assert state(job) is NativeState.FAULTY
    assert job.read(job.work("starts")) == b"x"
    act("cancel", job)


def test_a_hold_by_its_owner_is_no_fault(site: Site) -> None:
    job = run_python(site, COUNT, hold=True)
    act("release", job)
    act("hold", job)
    reaches(job, NativeState.HELD)
    act("cancel", job)


def test_a_directory_that_is_missing_is_a_fault_with_a_reason(site: Site) -> None:
    job = submit(site, ["true"], hold=True)
    site.transport.remove([job.submission.directory])
    act("release", job)
    reaches(job, NativeState.FAULTY)
    answer = site.transport.run(site.adapter.status_command([job.native_id]))
    reason = site.adapter.parse_status(answer)[job.native_id].reason
    assert "No such file or directory" in reason or "Cannot access" in reason
    act("cancel", job)


@pytest.mark.parametrize("name", ["with space", "it's", "$(x) $y", "per%s;cent", "ü"])
def test_a_directory_may_have_an_odd_name(site: Site, name: str) -> None:
    odd = replace(site, workdir=f"{site.workdir}/{name}")
    site.transport.make_directories([odd.layout.inbox, odd.layout.tags])
    assert submit(odd, ["true"]).ended()["code"] == 0
