"""The helper on the cluster, run by the oldest Python that it promises and by ours."""

import base64
import io
import os
import signal
import subprocess
import sys
import time

import pytest
from execution_host import oldest_python

from grms.jobside import helper, trees
from grms.transport.channels import program, starter


class Session:
    def __init__(self, python):
        self.process = subprocess.Popen(
            [python, "-I", "-S", "-c", starter()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": os.environ["PATH"]},  # no locale, as over SSH
        )
        self.send(program())
        assert self.read(len(helper.READY)) == helper.READY

    def send(self, content):
        self.process.stdin.write(content)
        self.process.stdin.flush()

    def read(self, size):
        content = self.process.stdout.read(size)
        assert len(content) == size
        return content

    def ask(self, **request):
        trees.write_json(self.send, request)
        return trees.read_json(self.read)


def pythons():
    oldest = oldest_python()
    missing = pytest.mark.skipif(oldest is None, reason="there is no Python 3.6 here")
    yield pytest.param(sys.executable, id="ours")
    yield pytest.param(oldest, id="3.6", marks=missing)


@pytest.fixture(params=pythons())
def session(request):
    made = Session(request.param)
    yield made
    made.process.stdin.close()
    assert made.process.wait(60) in (0, 1)
    made.process.stdout.close()


def command(*argv, **more):
    return {"argv": argv, "stdin": "", "timeout": 60, "cwd": "", "env": {}} | more


def test_it_runs_commands_one_request_after_the_other(session):
    for number in range(3):
        reply = session.ask(op="run", commands=[command("echo", str(number), "é\udcff")])
        (answer,) = reply["value"]
        assert base64.b64decode(answer["out"]) == f"{number} é".encode() + b"\xff\n"


def test_names_of_any_bytes_pass_without_a_locale(session, tmp_path):
    name = f"{tmp_path}/é\udcff\n'"
    content = base64.b64encode(b"\0").decode()
    assert session.ask(op="write", files={name: content}, mode=0o600) == {"value": None}
    assert session.ask(op="read", paths=[name]) == {"value": {name: content}}
    assert session.ask(op="remove", paths=[name]) == {"value": None}
    assert list(tmp_path.iterdir()) == []


def test_a_tree_passes_through_it(session, tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "f").write_bytes(bytes(1000))
    root = os.fsencode(tmp_path / "tree")
    trees.write_json(session.send, {"op": "put", "target": f"{tmp_path}/new", "mode": None})
    trees.send_tree(root, trees.entries(root), session.send)
    assert trees.read_json(session.read)["value"][:2] == [1000, 1]
    assert session.ask(op="get", source=f"{tmp_path}/new") == {"value": None}
    assert trees.receive_tree(os.fsencode(tmp_path / "back"), session.read)[:2] == (1000, 1)
    assert (tmp_path / "back" / "f").read_bytes() == bytes(1000)


def test_when_its_input_ends_the_running_command_is_killed(session, tmp_path):
    script = f"echo $$ > {tmp_path}/pid; sleep 1000"
    trees.write_json(session.send, {"op": "run", "commands": [command("sh", "-c", script)]})
    until(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text().strip())
    group = int((tmp_path / "pid").read_text())
    session.process.stdin.close()
    until(lambda: not alive(group))


def alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_heirs_that_keep_the_output_open_do_not_hold_up_the_answer(session):
    script = "sleep 1000 & echo $!"
    (answer,) = session.ask(op="run", commands=[command("sh", "-c", script)])["value"]
    assert answer["exit"] == 0
    os.kill(int(base64.b64decode(answer["out"])), signal.SIGKILL)


def stream(*parts):
    out = io.BytesIO()
    for part in parts:
        if isinstance(part, dict):
            trees.write_json(out.write, part)
        else:
            out.write(part)
    return helper.exact(io.BytesIO(out.getvalue()))


TREE = {"kind": "d", "name": "", "mode": 0o755}


@pytest.mark.parametrize(
    "parts",
    [
        [{"kind": "d", "name": "../out", "mode": 0o755}],
        [{"kind": "d", "name": "/tmp/out", "mode": 0o755}],
        [{"kind": "l", "name": "up", "to": "../.."}, {"kind": "end"}],
        [{"kind": "l", "name": "abs", "to": "/etc"}, {"kind": "end"}],
        [
            {"kind": "l", "name": "b", "to": "."},
            {"kind": "l", "name": "c", "to": "b/../x"},
            {"kind": "end"},
        ],
    ],
)
def test_a_tree_from_a_hostile_cluster_cannot_leave_its_place(tmp_path, parts):
    with pytest.raises(trees.RefusedError):
        trees.receive_tree(os.fsencode(tmp_path / "to" / "tree"), stream(TREE, *parts))
    assert list((tmp_path / "to").iterdir()) == []


def test_nothing_is_written_through_a_link_of_the_same_stream(tmp_path):
    file = {"kind": "f", "name": "a/f", "mode": 0o644, "size": 1}
    parts = [{"kind": "l", "name": "a", "to": "/tmp"}, file, b"x", b"0" * 64]
    with pytest.raises(FileNotFoundError):
        trees.receive_tree(os.fsencode(tmp_path / "tree"), stream(TREE, *parts))


@pytest.mark.parametrize("end", [b"", b"12", b"123" + b"0" * 64])
def test_a_file_that_breaks_off_or_has_another_digest_is_not_there(tmp_path, end):
    head = {"kind": "f", "name": "", "mode": 0o644, "size": 3}
    with pytest.raises(trees.BrokenError):
        trees.receive_tree(os.fsencode(tmp_path / "f"), stream(head, end))
    assert list(tmp_path.iterdir()) == []
