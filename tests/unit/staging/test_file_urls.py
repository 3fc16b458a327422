"""file: URLs: which may be used, and what a copy leaves."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from grms.errors import ErrorCode, StagingError
from grms.staging.local import LocalStager
from grms.staging.urls import file_path


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def stager(root):
    return LocalStager([root])


def refusal(act) -> StagingError:
    with pytest.raises(StagingError) as caught:
        act()
    return caught.value


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:/a/b", "/a/b"),
        ("file:///a/b", "/a/b"),
        ("file:////a/b", "/a/b"),
        ("file://localhost/a/b", "/a/b"),
        ("FILE:///a%20b", "/a b"),
        ("file:///${HOME}/run", "/home/alice/run"),
        ("file:${HOME}/run", None),
        ("file:a", None),
        ("file://other.host/a", None),
        ("file:///a/${TASK}/b", None),
        ("file:///a%00", None),
    ],
)
def test_the_forms_of_file_urls(url, path):
    if path is None:
        assert refusal(lambda: file_path(url, "/home/alice")).fault.value == "user"
    else:
        assert file_path(url, "/home/alice") == path


def test_home_without_a_known_home_is_refused():
    assert "${HOME}" in refusal(lambda: file_path("file:///${HOME}/x", "")).message


def test_nothing_is_allowed_without_roots(tmp_path):
    error = refusal(lambda: LocalStager([]).check(f"file://{tmp_path}/f", writing=False))
    assert error.code is ErrorCode.FILE_NOT_ALLOWED
    assert "file_roots" in error.message


@pytest.mark.parametrize("path", ["/etc/passwd", "{root}/../x", "{root}x/f", "{root}/out/f"])
def test_a_place_outside_the_roots_is_refused_with_the_roots(stager, root, path):
    (root / "out").symlink_to("/etc")
    for writing in (False, True):
        url = "file://" + path.format(root=root)
        error = refusal(lambda url=url, writing=writing: stager.check(url, writing=writing))
        assert error.code is ErrorCode.FILE_NOT_ALLOWED
        assert str(root) in error.message
        assert url in error.message


def test_a_link_to_a_file_outside_is_not_read_and_not_written_through(stager, root, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "link").symlink_to(tmp_path / "secret")
    refusal(lambda: stager.fetch(f"file://{root}/link", tmp_path / "got"))
    (tmp_path / "new").write_bytes(b"new")
    stager.deliver(tmp_path / "new", f"file://{root}/link")
    assert (tmp_path / "secret").read_bytes() == b"secret"
    assert (root / "link").read_bytes() == b"new"


def test_the_execute_bit_comes_along_and_set_user_id_does_not(stager, root, tmp_path):
    (root / "program").write_bytes(b"#!/bin/sh\n")
    (root / "program").chmod(0o4755)
    stager.fetch(f"file://{root}/program", tmp_path / "program")
    assert (tmp_path / "program").stat().st_mode & 0o7777 == 0o755


def test_a_tree_is_fetched_with_its_inner_links(stager, root, tmp_path):
    (root / "tree" / "deep").mkdir(parents=True)
    (root / "tree" / "f").write_bytes(b"1")
    (root / "tree" / "deep" / "link").symlink_to("../f")
    moved = stager.fetch(f"file://{root}/tree", tmp_path / "tree", directory=True)
    assert (moved.size, moved.files) == (1, 1)
    assert (tmp_path / "tree" / "deep" / "link").read_bytes() == b"1"


def test_a_tree_with_a_link_that_leads_out_is_refused(stager, root, tmp_path):
    (root / "tree").mkdir()
    (root / "tree" / "out").symlink_to("/etc/passwd")
    error = refusal(lambda: stager.fetch(f"file://{root}/tree", tmp_path / "tree", directory=True))
    assert not error.transient
    assert not (tmp_path / "tree").exists()


def test_a_pipe_is_refused(stager, root, tmp_path):
    os.mkfifo(root / "pipe")
    assert (
        "neither a file"
        in refusal(lambda: stager.fetch(f"file://{root}/pipe", tmp_path / "pipe")).message
    )


def test_a_file_is_no_directory_and_a_directory_no_file(stager, root, tmp_path):
    (root / "f").touch()
    assert (
        "not a directory"
        in refusal(lambda: stager.fetch(f"file://{root}/f", tmp_path / "x", directory=True)).message
    )
    assert (
        "is a directory" in refusal(lambda: stager.fetch(f"file://{root}", tmp_path / "x")).message
    )
    assert not (tmp_path / "x").exists()


def test_delivering_into_an_existing_directory_keeps_what_else_is_there(stager, root, tmp_path):
    (root / "results").mkdir()
    (root / "results" / "old").write_bytes(b"old")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "f").write_bytes(b"new")
    stager.deliver(tmp_path / "new", f"file://{root}/results", directory=True)
    assert {path.name for path in (root / "results").iterdir()} == {"old", "f"}


def test_a_copy_that_is_killed_leaves_no_file_under_the_final_name(root, tmp_path):
    (root / "big").write_bytes(bytes(50_000_000))
    program = (
        "import sys, time; from pathlib import Path; from grms.jobside import trees;"
        "from grms.staging.local import LocalStager; trees.CHUNK = 1000;"
        "import hashlib; real = hashlib.sha256\n"
        "class Slow:\n"
        "    def __init__(self): self.h = real()\n"
        "    def update(self, data): time.sleep(0.01)\n"
        "hashlib.sha256 = Slow\n"
        f"LocalStager([Path({str(root)!r})]).fetch('file://{root}/big', Path(sys.argv[1]))"
    )
    target = tmp_path / "to" / "big"
    child = subprocess.Popen([sys.executable, "-c", program, target])
    try:
        deadline = time.monotonic() + 60
        while not (target.parent.is_dir() and any(target.parent.iterdir())):
            assert time.monotonic() < deadline
            assert child.poll() is None
            time.sleep(0.01)
    finally:
        child.kill()
        child.wait()
    assert not target.exists()
    assert len(list(target.parent.iterdir())) == 1


def test_a_full_disk_is_told_as_such_and_leaves_nothing(stager, root):
    small = Path(tempfile.mkdtemp(prefix="grms-small-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        small.rmdir()
        pytest.skip("only root can mount a small file system to fill")
    try:
        (root / "big").write_bytes(bytes(5_000_000))
        error = refusal(lambda: stager.fetch(f"file://{root}/big", small / "big"))
        assert error.code is ErrorCode.NO_SPACE
        assert error.transient
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)
        shutil.rmtree(small)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_the_broker_may_not_read_is_the_users_fault(stager, root, tmp_path):
    (root / "closed").touch(mode=0o000)
    error = refusal(lambda: stager.fetch(f"file://{root}/closed", tmp_path / "x"))
    assert error.code is ErrorCode.FILE_NOT_ALLOWED
    assert not error.transient
