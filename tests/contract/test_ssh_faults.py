"""What can go wrong on the way to a cluster, tried against a real OpenSSH server."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
import sshd_server

from grms.broker.ports.batch import Command
from grms.errors import SiteError
from grms.transport.breaker import Breaker
from grms.transport.channels import Pool
from grms.transport.connection import Connection
from grms.transport.ssh import SshTransport

pytestmark = pytest.mark.sshd

PATIENCE = 60


@pytest.fixture(scope="module")
def server():
    running = sshd_server.start()
    yield running
    running.close()


@contextlib.contextmanager
def way(target):
    transport = SshTransport(target)
    try:
        yield transport
    finally:
        transport.close()


def refused(target) -> SiteError:
    with way(target) as transport, pytest.raises(SiteError) as caught:
        transport.run(Command(("true",)))
    return caught.value


def key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def until(condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_a_key_that_the_account_does_not_know_is_named_with_the_cure(server, tmp_path):
    error = refused(server.target(key_file=str(key(tmp_path / "other"))))
    assert not error.transient
    assert "SHA256:" in error.message
    assert "ssh-copy-id" in error.message


def test_a_key_file_that_is_missing_is_named(server, tmp_path):
    error = refused(server.target(key_file=str(tmp_path / "absent")))
    assert not error.transient
    assert str(tmp_path / "absent") in error.message


def test_a_key_with_a_passphrase_is_sent_to_the_agent(server, tmp_path):
    path = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", path], check=True)
    error = refused(server.target(key_file=str(path)))
    assert not error.transient
    assert "ssh-agent" in error.message


def test_an_account_that_is_not_there_is_named(server):
    error = refused(server.target(user="nobody-of-that-name"))
    assert not error.transient
    assert "'nobody-of-that-name'" in error.message


def test_an_unknown_host_is_refused_with_its_fingerprint_and_the_cure(server, tmp_path):
    (tmp_path / "known").touch()
    error = refused(server.target(known_hosts=str(tmp_path / "known")))
    assert not error.transient
    assert "SHA256:" in error.message
    assert f"ssh-keyscan -p {server.target().port} 127.0.0.1 >> {tmp_path}/known" in error.message


def test_a_missing_known_hosts_file_is_told_with_the_cure(server, tmp_path):
    error = refused(server.target(known_hosts=str(tmp_path / "absent")))
    assert not error.transient
    assert "ssh-keyscan" in error.message


def test_a_changed_host_key_is_refused_as_a_possible_attack(server, tmp_path):
    other = key(tmp_path / "other").with_suffix(".pub").read_text().split()
    name = server.target().known_name
    (tmp_path / "known").write_text(f"{name} {other[0]} {other[1]}\n")
    error = refused(server.target(known_hosts=str(tmp_path / "known")))
    assert not error.transient
    assert "attack" in error.message
    assert "ssh-keygen -R" in error.message


def test_a_hashed_known_hosts_file_serves_as_well(server, tmp_path):
    shutil.copy(server.target().known_hosts, tmp_path / "known")
    subprocess.run(
        ["ssh-keygen", "-q", "-H", "-f", tmp_path / "known"], check=True, capture_output=True
    )
    assert "127.0.0.1" not in (tmp_path / "known").read_text()
    with way(server.target(known_hosts=str(tmp_path / "known"))) as transport:
        assert transport.run(Command(("true",))).exit == 0


def test_a_missing_python_is_named_with_the_option_that_mends_it(server):
    error = refused(server.target(python="/no/such/python3"))
    assert not error.transient
    assert "/no/such/python3" in error.message
    assert "option python" in error.message


def test_a_port_that_nobody_listens_on_is_transient(server):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        error = refused(server.target(port=free.getsockname()[1]))
    assert error.transient
    assert "refused" in error.message


def test_a_host_that_says_nothing_is_given_up(server):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = refused(server.target(port=silent.getsockname()[1], connect_timeout=1.0))
    assert error.transient


def test_a_host_that_fails_is_left_alone_for_a_while():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        target = sshd_server.Target("127.0.0.1", free.getsockname()[1], known_hosts=os.devnull)
        connection = Connection(target, Breaker(threshold=2, shortest=1000, longest=1000))
        for _ in range(2):
            with pytest.raises(SiteError, match="cannot reach"):
                connection.transport()
        with pytest.raises(SiteError, match=r"failed 2 times, the next try is in \d+ s"):
            connection.transport()


def test_a_command_dies_with_its_connection_and_the_next_call_connects_again():
    running = sshd_server.start()
    try:
        with way(running.target()) as transport:
            caught: list[SiteError] = []
            mark = f"/tmp/grms-fault-{os.getpid()}-{id(running)}"

            def work():
                try:
                    transport.run(Command(("sh", "-c", f"echo $$ > {mark}; exec sleep 1000")))
                except SiteError as error:
                    caught.append(error)

            thread = threading.Thread(target=work)
            thread.start()
            until(lambda: transport.read([mark]).get(mark))
            pid = int(transport.read([mark])[mark])
            running.stop()
            thread.join(PATIENCE)
            assert [error.transient for error in caught] == [True]
            until(lambda: not Path(f"/proc/{pid}").exists())
            sshd_server.start(running.directory)
            until(lambda: transport_answers(transport))
            transport.remove([mark])
    finally:
        running.close()


def transport_answers(transport) -> bool:
    try:
        return transport.run(Command(("true",))).exit == 0
    except SiteError:
        return False


def test_reading_is_done_again_when_a_kept_session_was_dead(server):
    with way(server.target()) as transport:
        helper_pid = transport.run(Command(("sh", "-c", "echo $PPID"))).stdout.decode().strip()
        os.kill(int(helper_pid), signal.SIGKILL)
        assert transport.read(["/etc/hostname-that-is-not-there"]) == {}


def test_a_server_that_allows_two_sessions_still_serves_twenty_threads():
    running = sshd_server.start(SSHD_MAX_SESSIONS="2")
    try:
        with way(running.target(channels=8)) as transport:
            answers = []

            def work(number):
                answers.append(transport.run(Command(("echo", str(number)))).stdout)

            threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
            assert sorted(answers) == sorted(b"%d\n" % number for number in range(20))
    finally:
        running.close()


def test_all_transports_of_one_account_share_one_connection(server):
    with way(server.target()) as one, way(server.target()) as other:
        script = 'echo "$SSH_CONNECTION"'
        seen = {way.run(Command(("sh", "-c", script))).stdout for way in (one, other, one)}
    assert len(seen) == 1


def test_no_more_sessions_are_open_than_allowed(server):
    target = server.target(channels=3)
    pool = Pool(Connection(target))
    held, release, open_now, most = threading.Semaphore(0), threading.Event(), [0], [0]
    lock = threading.Lock()

    def hold():
        with pool.helper():
            with lock:
                open_now[0] += 1
                most[0] = max(most[0], open_now[0])
            held.release()
            release.wait(PATIENCE)
            with lock:
                open_now[0] -= 1

    threads = [threading.Thread(target=hold) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        assert held.acquire(timeout=PATIENCE)
    release.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert most[0] == 3
    pool.close()
    pool.connection.close()


def test_what_a_login_profile_prints_is_no_answer(server, tmp_path):
    noisy = Path(f"/tmp/grms-noisy-{os.getpid()}")
    noisy.write_text('#!/bin/sh\necho "Welcome to the machine"\nexec python3 "$@"\n')
    noisy.chmod(0o755)
    try:
        with way(server.target(python=str(noisy))) as transport:
            assert transport.run(Command(("echo", "answer"))).stdout == b"answer\n"
    finally:
        noisy.unlink()


def test_a_source_that_breaks_off_leaves_nothing_there(server, tmp_path):
    with way(server.target()) as transport:
        place = transport.run(Command(("mktemp", "-d"))).stdout.decode().strip()
        source = tmp_path / "shrinking"
        source.write_bytes(bytes(1_000_000))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("grms.jobside.trees.CHUNK", 1000)
            sent = []

            def shrink(helper, chunk, send=None):
                sent.append(chunk)
                if len(sent) == 10:
                    os.truncate(source, 2000)
                helper.channel.sendall(chunk)

            patch.setattr("grms.transport.channels.Helper.send", shrink)
            with pytest.raises(Exception, match="shorter"):
                transport.put(source, f"{place}/f")
        until(lambda: not transport.run(Command(("ls", "-A", place))).stdout)
        transport.remove([place])
