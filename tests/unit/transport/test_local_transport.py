"""What is particular to this host; what every transport promises is in the contract suite."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grms.broker.ports.batch import Command
from grms.errors import ErrorCode, SiteError, StagingError
from grms.transport import process
from grms.transport.account import AccountTransport
from grms.transport.local import LocalTransport

LOCAL = LocalTransport()


def sh(script: str, **more: object) -> Command:
    return Command(("sh", "-c", script), **more)  # type: ignore[arg-type]


def test_the_settings_of_the_service_do_not_reach_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRMS_DATABASE", "postgresql://user:secret@host/db")
    monkeypatch.setenv("TZ", "Europe/Warsaw")
    printed = LOCAL.run(Command(("env",))).stdout.decode().splitlines()
    assert not [line for line in printed if line.startswith("GRMS_")]
    assert "TZ=Europe/Warsaw" in printed
    assert "LC_ALL=C" in printed


def test_a_command_has_ended_although_its_heir_holds_the_output_open() -> None:
    began = time.monotonic()
    result = LOCAL.run(sh("sleep 600 & echo $!", timeout=300))
    os.kill(int(result.stdout), 9)
    assert time.monotonic() - began < 200
    assert (result.exit, result.timed_out) == (0, False)


def test_more_output_than_the_cap_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "OUTPUT_CAP", 1 << 20)
    with pytest.raises(SiteError, match="more than 1 MB"):
        LOCAL.run(sh("yes", timeout=60))


def test_large_input_and_output_flow_at_once() -> None:
    data = os.urandom(3 << 20)
    assert LOCAL.run(Command(("cat",), stdin=data)).stdout == data


def test_input_that_nobody_reads_is_no_error() -> None:
    assert LOCAL.run(Command(("true",), stdin=b"x" * (3 << 20))).exit == 0


def test_a_working_directory_that_is_missing_is_named() -> None:
    result = LOCAL.run(Command(("true",), cwd="/no/such/place"))
    assert result.exit == 126
    assert b"/no/such/place" in result.stderr


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)]).returncode:
        pytest.skip("this machine lets nobody mount a tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_named_and_leaves_nothing_behind(small: Path, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"x" * 200_000)
    with pytest.raises(StagingError, match="disk is full") as caught:
        LOCAL.put(large, str(small / "copy"))
    assert (caught.value.code, caught.value.transient) == (ErrorCode.NO_SPACE, True)
    with pytest.raises(SiteError, match="disk is full") as written:
        LOCAL.write({str(small / "file"): b"x" * 200_000})
    assert written.value.code is ErrorCode.NO_SPACE
    assert list(small.iterdir()) == []


def test_an_account_that_does_not_exist_is_the_administrators_matter() -> None:
    with pytest.raises(SiteError, match="nobody-of-that-name") as caught:
        AccountTransport("nobody-of-that-name")
    assert caught.value.transient is False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another account by itself")
def test_another_account_runs_commands_and_owns_its_files() -> None:
    transport = AccountTransport("nobody", python="/usr/bin/python3")
    if not Path("/usr/bin/python3").exists():
        pytest.skip(f"accounts cannot run {sys.executable}, and there is no /usr/bin/python3")
    made = transport.run(Command(("mktemp", "-d", "/tmp/grms-account-XXXXXXXX")))
    place = made.stdout.decode().strip()
    try:
        assert transport.run(Command(("id", "-un"))).stdout == b"nobody\n"
        transport.write({f"{place}/file": b"x"})
        assert Path(place, "file").owner() == "nobody"
    finally:
        transport.remove([place])
        transport.close()
