"""One broker for each data directory."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from grms.errors import ConfigError
from grms.server import guard

HOLD = """
import sys, pathlib
from grms.server import guard
with guard.held(pathlib.Path(sys.argv[1]), "server"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def rival(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process that holds the service's lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process  # type: ignore[misc]
    process.kill()
    process.communicate()


def test_a_second_holder_is_refused_and_told_who_the_first_is(
    tmp_path: Path, rival: subprocess.Popen[str]
) -> None:
    with pytest.raises(ConfigError) as refused, guard.held(tmp_path, guard.SERVER):
        pass
    assert f"process {rival.pid}" in refused.value.message
    assert "--data-dir" in refused.value.message


def test_the_kernel_gives_the_lock_back_when_its_holder_is_killed(
    tmp_path: Path, rival: subprocess.Popen[str]
) -> None:
    rival.kill()
    rival.wait()
    with guard.held(tmp_path, guard.SERVER, patience=60):
        assert guard.holder(tmp_path, guard.SERVER) != ""


def test_who_holds_a_lock_can_be_asked(tmp_path: Path, rival: subprocess.Popen[str]) -> None:
    assert guard.holder(tmp_path, guard.SERVER) == str(rival.pid)
    assert guard.holder(tmp_path, guard.ENGINE) == ""


def test_a_service_and_an_engine_have_locks_of_their_own(
    tmp_path: Path, rival: subprocess.Popen[str]
) -> None:
    with guard.held(tmp_path, guard.ENGINE):
        pass


def test_work_on_the_database_file_needs_that_nobody_is_there(
    tmp_path: Path, rival: subprocess.Popen[str]
) -> None:
    with pytest.raises(ConfigError), guard.nobody(tmp_path):
        pass
    rival.kill()
    rival.wait()
    with guard.nobody(tmp_path):
        assert guard.holder(tmp_path, guard.ENGINE) != ""


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no-such"), guard.held(tmp_path / "no-such", "server"):
        pass


def test_a_full_disk_keeps_nobody_from_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(guard.os, "pwrite", full)
    with guard.held(tmp_path, "engine"), pytest.raises(ConfigError), guard.held(tmp_path, "engine"):
        pass
