"""A job's control group holds what can be found in no other way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from execution_host import Host, lives

from grms.jobside.cgroup import Group, own, sweep

#: A wrapper on a host where no process can inherit the orphans of others.
NO_REAPER = """
import sys
sys.path.insert(0, sys.argv[1])
from grms.jobside import processes
processes.load_prctl = lambda: False
from grms.jobside.run import main
sys.exit(main(["run", sys.argv[2]]))
"""
#: Forks twice, leads a session of its own, and keeps nothing of the job's environment.
DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        program = 'echo $$ >pid.part; mv pid.part pid; exec sleep 600'
        os.execve('/bin/sh', ['sh', '-c', program], {'PATH': os.environ['PATH']})
    os._exit(0)
while not os.path.exists('pid'):
    time.sleep(0.02)
"""


@pytest.fixture
def group() -> Iterator[Group]:
    """A control group; skipped where this account may make none."""
    group = Group("gtest")
    if not group.path:
        pytest.skip("no cgroup v2 here that this account may write: start the tests as root")
    yield group
    group.kill()
    group.remove()


@pytest.fixture
def groups(group: Group) -> Path:
    """The directory in which groups are made."""
    return Path(group.path).parent


def test_a_daemon_that_hides_from_everything_else_is_killed_with_the_job(
    host: Host, groups: Path
) -> None:
    spec = host.describe([sys.executable, "-c", DAEMON])
    argv = [host.python, "-I", "-S", "-c", NO_REAPER, str(host.program), spec]
    host.started.append(subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
    assert host.finish(host.started[-1]) == 0
    assert not lives(host.pid_in("pid"))


def test_the_group_is_given_back_when_the_job_has_ended(host: Host, groups: Path) -> None:
    look = f"ls -d {groups}/grms-{host.tag}-*/cgroup.procs"
    assert host.run(["sh", "-c", look]) == 0, "the job has a group while it runs"
    assert not list(groups.glob(f"grms-{host.tag}-*"))


def test_a_group_knows_and_kills_its_processes(group: Group) -> None:
    with subprocess.Popen(["sleep", "600"], preexec_fn=group.join) as process:
        assert group.members() == [process.pid]
        group.kill()
        assert process.wait(timeout=120) == -9
    assert group.members() == []
    group.remove()
    assert group.path == ""


def test_what_a_killed_wrapper_left_is_taken_away(groups: Path) -> None:
    with subprocess.Popen(["true"]) as ended:
        pass
    left = groups / f"grms-gleft-{ended.pid}"
    left.mkdir()
    sweep()
    assert not left.exists()


def test_where_none_can_be_made_a_group_does_nothing(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr("grms.jobside.cgroup._own", lambda: None)
    own.cache_clear()
    request.addfinalizer(own.cache_clear)
    group = Group("gtest")
    group.join()
    group.kill()
    group.remove()
    assert (group.path, group.members()) == ("", [])
