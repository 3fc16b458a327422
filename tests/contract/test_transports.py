"""What every way to a cluster promises, said once for all of them."""

import contextlib
import hashlib
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import pytest
import sshd_server

from grms.broker.ports.batch import Command
from grms.broker.records import Cluster
from grms.errors import ErrorCode, SiteError, StagingError
from grms.transport import make_transport

#: Long enough for the slowest machine; every wait ends early on success.
PATIENCE = 60


@contextlib.contextmanager
def local():
    yield make_transport(Cluster("here", "fork"))


@contextlib.contextmanager
def ssh():
    server = sshd_server.start()
    target = server.target()
    cluster = Cluster(
        "there",
        "fork",
        transport=f"ssh://{target.user}@{target.host}:{target.port}",
        options={"key_file": target.key_file, "known_hosts": target.known_hosts},
    )
    transport = make_transport(cluster)
    yield transport
    transport.close()
    server.close()


@contextlib.contextmanager
def account():
    if os.geteuid() != 0 or not Path("/usr/bin/python3").exists():
        pytest.skip("only root becomes another account, and that needs a /usr/bin/python3")
    cluster = Cluster(
        "here", "fork", transport="local+sudo", options={"python": "/usr/bin/python3"}
    )
    transport = make_transport(cluster, "nobody")
    yield transport
    transport.close()


WAYS = {"local": local, "account": account, "ssh": ssh}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.sshd] * (name == "ssh")) for name in WAYS],
)
def transport(request):
    with WAYS[request.param]() as way:
        yield way


@pytest.fixture
def place(transport):
    """A fresh directory on the cluster, owned by the account there."""
    made = transport.run(Command(("mktemp", "-d", "/tmp/grms-contract-XXXXXXXX")))
    directory = made.stdout.decode().strip()
    yield directory
    transport.remove([directory])


@pytest.fixture
def here(tmp_path):
    return tmp_path


def sh(transport, script, **more):
    return transport.run(Command(("sh", "-c", script), **more))


def gone(transport, pid: bytes) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if sh(transport, f"kill -0 {pid.decode()} 2>/dev/null").exit:
            return True
        time.sleep(0.05)
    return False


# -- commands


def test_a_command_gives_its_exit_code_and_both_outputs(transport):
    result = sh(transport, "echo out; echo err >&2; exit 7")
    assert (result.exit, result.stdout, result.stderr) == (7, b"out\n", b"err\n")
    assert not result.timed_out


def test_a_command_that_a_signal_ended_has_a_negative_exit(transport):
    assert sh(transport, "kill -KILL $$").exit == -9


def test_a_missing_program_is_127_and_says_so(transport):
    result = transport.run(Command(("no-such-program-here",)))
    assert result.exit == 127
    assert b"no-such-program-here" in result.stderr


def test_arguments_are_never_read_by_a_shell(transport):
    odd = ("", "a b", "'", '"', "\\", "$HOME", "$$", "`id`", "!", "*", "\n", "\t", "é", "-n", ";")
    script = 'for a in "$@"; do printf "%s\\0" "$a"; done'
    result = transport.run(Command(("sh", "-c", script, "sh", *odd)))
    assert result.stdout.decode().split("\0")[:-1] == list(odd)


def test_environment_and_directory_are_those_asked_for(transport, place):
    result = sh(transport, 'printf "%s|" "$ODD"; pwd', cwd=place, env={"ODD": "a'b\n$c"})
    assert result.stdout.decode() == f"a'b\n$c|{place}\n"


def test_messages_come_in_the_language_of_the_parsers(transport):
    assert sh(transport, 'printf %s "$LC_ALL"').stdout == b"C"


def test_large_input_and_output_pass(transport):
    given = os.urandom(3_000_000)
    assert transport.run(Command(("cat",), stdin=given)).stdout == given


def test_a_command_that_reads_no_input_is_not_disturbed_by_it(transport):
    assert transport.run(Command(("true",), stdin=b"x" * 1_000_000)).exit == 0


def test_after_its_timeout_a_command_and_its_children_are_dead(transport):
    result = sh(transport, "sleep 1000 & echo $!; echo $$; wait", timeout=2.0)
    assert result.timed_out
    pids = result.stdout.split()
    assert len(pids) == 2
    assert all(gone(transport, pid) for pid in pids)


def test_many_commands_answer_in_their_order(transport):
    commands = [Command(("sh", "-c", f"echo {n}; exit {n % 5}")) for n in range(100)]
    results = transport.run_many(commands)
    assert [int(result.stdout) for result in results] == list(range(100))
    assert [result.exit for result in results] == [n % 5 for n in range(100)]


def test_no_commands_are_no_answers(transport):
    assert list(transport.run_many([])) == []


def test_threads_share_a_transport(transport):
    answers = {}

    def ask(number):
        answers[number] = sh(transport, f"echo {number}").stdout

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert answers == {number: b"%d\n" % number for number in range(20)}


# -- small files

ODD_NAME = "a b'\"\\$*\n\té"


def test_written_files_read_the_same_and_parents_are_made(transport, place):
    files = {f"{place}/new/deep/{ODD_NAME}": b"\0\xff\r\n", f"{place}/empty": b""}
    transport.write(files)
    assert transport.read([*files, f"{place}/absent"]) == files


def test_written_files_have_the_mode_and_leave_nothing_else(transport, place):
    transport.write({f"{place}/a": b"old"}, mode=0o600)
    transport.write({f"{place}/a": b"new"}, mode=0o755)
    assert sh(transport, f"ls -A {place}; stat -c %a {place}/a").stdout == b"a\n755\n"
    assert transport.read([f"{place}/a"]) == {f"{place}/a": b"new"}


def test_a_file_that_cannot_be_written_is_a_site_error_with_its_path(transport):
    with pytest.raises(SiteError, match="/proc/no"):
        transport.write({"/proc/no/such": b""})


def test_a_sweep_gives_the_oldest_names_and_leaves_what_is_being_written(transport, place):
    transport.write({f"{place}/{name}": name.encode() for name in ("3-c", "1-a", "2-b", ".part")})
    assert transport.sweep(place) == {"1-a": b"1-a", "2-b": b"2-b", "3-c": b"3-c"}
    assert list(transport.sweep(place, limit=2)) == ["1-a", "2-b"]


def test_a_sweep_of_nothing_is_empty(transport, place):
    assert transport.sweep(f"{place}/absent") == {}


def test_removing_takes_files_trees_and_links_but_not_what_links_show(transport, place):
    transport.write({f"{place}/tree/in/file": b"", f"{place}/file": b"", f"{place}/kept": b"x"})
    sh(transport, f"ln -s {place}/kept {place}/link")
    names = [f"{place}/{name}" for name in ("tree", "file", "link", "absent", "file/below")]
    transport.remove(names)
    assert sh(transport, f"ls -A {place}").stdout == b"kept\n"


def test_directories_are_made_with_parents_and_kept_if_there(transport, place):
    transport.make_directories([f"{place}/a/b/{ODD_NAME}", f"{place}/a"])
    transport.make_directories([f"{place}/a"])
    assert sh(transport, f"stat -c '%F %a' {place}/a/b/*").stdout == b"directory 700\n"


# -- files and trees


def test_a_file_goes_there_and_back(transport, place, here):
    source = here / ODD_NAME
    source.write_bytes(os.urandom(2_000_001))
    transport.put(source, f"{place}/deep/{ODD_NAME}", mode=0o700)
    remote = sh(transport, f"cd {place}/deep && cat * | sha256sum && stat -c %a *").stdout.split()
    assert remote[0].decode() == hashlib.sha256(source.read_bytes()).hexdigest()
    assert remote[-1] == b"700"
    transport.get(f"{place}/deep/{ODD_NAME}", here / "back")
    assert (here / "back").read_bytes() == source.read_bytes()


def test_an_existing_file_is_replaced(transport, place, here):
    for content in (b"first and longer", b"second"):
        (here / "f").write_bytes(content)
        transport.put(here / "f", f"{place}/f")
    assert transport.read([f"{place}/f"]) == {f"{place}/f": b"second"}
    assert sh(transport, f"ls -A {place}").stdout == b"f\n"


def test_a_tree_goes_there_and_back_with_its_modes_and_links(transport, place, here):
    tree = here / "tree"
    (tree / "empty").mkdir(parents=True)
    (tree / "sub").mkdir()
    (tree / "sub" / ODD_NAME).write_bytes(b"odd")
    (tree / "program").write_bytes(b"#!/bin/sh\n")
    (tree / "program").chmod(0o755)
    (tree / "sub" / "link").symlink_to("../program")
    transport.put(tree, f"{place}/tree")
    transport.get(f"{place}/tree", here / "back")
    back = here / "back"
    assert sorted(str(path.relative_to(back)) for path in back.rglob("*")) == sorted(
        str(path.relative_to(tree)) for path in tree.rglob("*")
    )
    assert (back / "sub" / ODD_NAME).read_bytes() == b"odd"
    assert (back / "program").stat().st_mode & 0o777 == 0o755
    assert (back / "sub" / "link").readlink() == Path("../program")


@pytest.mark.parametrize("absent", ["absent", "absent/below"])
def test_getting_what_is_not_there_is_told_and_leaves_nothing(transport, place, here, absent):
    with pytest.raises(StagingError, match="absent") as caught:
        transport.get(f"{place}/{absent}", here / "f")
    assert caught.value.code is ErrorCode.FILE_NOT_FOUND
    assert not caught.value.transient
    assert list(here.iterdir()) == []


def test_links_that_lead_out_are_refused_on_the_way_back(transport, place, here):
    sh(transport, f"mkdir {place}/tree && ln -s /etc/passwd {place}/tree/out")
    with pytest.raises(StagingError, match="out") as caught:
        transport.get(f"{place}/tree", here / "tree")
    assert not caught.value.transient
    assert list(here.iterdir()) == []


def test_special_files_are_refused_on_the_way_back(transport, place, here):
    sh(transport, f"mkdir {place}/tree && mkfifo {place}/tree/fifo")
    with pytest.raises(StagingError, match="fifo"):
        transport.get(f"{place}/tree", here / "tree")
    assert list(here.iterdir()) == []


def test_a_full_disk_is_told_as_such_and_leaves_nothing(transport, place, here):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system to fill")
    small = tempfile.mkdtemp(prefix="grms-small-")
    owner = sh(transport, "id -u").stdout.decode().strip()
    mounted = make_transport(Cluster("here", "fork")).run(
        Command(("mount", "-t", "tmpfs", "-o", f"size=1m,uid={owner},mode=755", "tmpfs", small))
    )
    try:
        if mounted.exit:
            pytest.skip(f"cannot mount a tmpfs: {mounted.stderr.decode()}")
        Path(small).chmod(0o755)
        (here / "big").write_bytes(bytes(5_000_000))
        with pytest.raises((SiteError, StagingError)) as caught:
            transport.put(here / "big", f"{small}/big")
        assert caught.value.code is ErrorCode.NO_SPACE
        assert list(Path(small).iterdir()) == []
    finally:
        make_transport(Cluster("here", "fork")).run(Command(("umount", small)))
        shutil.rmtree(small)


def test_after_close_the_next_call_works(transport):
    transport.close()
    assert sh(transport, "echo again").stdout == b"again\n"
