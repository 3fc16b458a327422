"""Runs the packed program as an execution host does: another Python, isolated, from one file."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from grms.broker.layout import Layout, control, tag, work
from grms.jobside.bundle import program


def oldest_python() -> str | None:
    """A Python 3.6, under pyenv (whose shims may not work) or on the PATH; None: there is none."""
    kept = sorted(Path.home().glob(".pyenv/versions/3.6.*/bin/python3"))
    return str(kept[-1]) if kept else shutil.which("python3.6")


def wait_for(probe: Callable[[], Any], what: str) -> Any:
    """Ask until the answer is true; two minutes at most."""
    deadline = time.monotonic() + 120
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)
    return answer


class Host:
    """A place with the program and one attempt of a job in it."""

    def __init__(self, root: Path, python: str) -> None:
        self.layout = Layout(str(root))
        self.python = python
        self.root = root
        self.program = Path(self.layout.wrapper(program()))
        self.directory = self.layout.attempt("job", 1)
        self.control = Path(control(self.directory))
        self.work = Path(work(self.directory))
        for path in (self.program.parent, self.control, self.work):
            path.mkdir(parents=True)
        for path in (self.layout.inbox, self.layout.tags):
            Path(path).mkdir()
        self.program.write_bytes(program())
        self.tag = tag(str(root), 1)  # unique on the host: processes are found by it
        self.tag_file = Path(self.layout.tags, self.tag)
        self.started: list[subprocess.Popen[bytes]] = []

    def describe(self, argv: Sequence[str], **keys: Any) -> str:
        """Write the specification; its path."""
        spec = {
            "version": 1,
            "job_id": "job",
            "attempt": 1,
            "tag": self.tag,
            "inbox": self.layout.inbox,
            "tags": self.layout.tags,
            "fence": self.layout.fence("job"),
            "work": str(self.work),
            "argv": list(argv),
            "env": {},
            "stdin": "",
            "stdout": str(self.work / "out"),
            "stderr": str(self.work / "err"),
            "type": "single",
            "count": 1,
            "launcher": [],
            "limits": {},
            "heartbeat": 1,
            "grace": 1,
        } | keys
        path = self.control / "spec.json"
        path.write_text(json.dumps(spec))
        return str(path)

    def start(self, argv: Sequence[str], **keys: Any) -> subprocess.Popen[bytes]:
        """Start ``run`` on a job and do not wait."""
        spec = self.describe(argv, **keys)
        self.started.append(self.popen("run", spec))
        return self.started[-1]

    def popen(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a verb."""
        argv = [self.python, "-I", "-S", str(self.program), *words]
        stdin = subprocess.PIPE if words == ("serve",) else None
        return subprocess.Popen(argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, argv: Sequence[str], **keys: Any) -> int:
        """``run`` a job to its end; the exit status."""
        return self.finish(self.start(argv, **keys))

    def finish(self, process: subprocess.Popen[bytes]) -> int:
        process.communicate(timeout=120)
        return process.returncode

    def ask(self, *words: str) -> Any:
        """The answers of a verb."""
        process = self.popen(*words)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return json.loads(out)["answers"]

    def launch(self, argv: Sequence[str], **keys: Any) -> str:
        """Launch a job; its native id."""
        self.describe(argv, **keys)
        (answer,) = self.ask("launch", str(self.control))
        return answer["native_id"]

    def json(self, name: str) -> dict[str, Any] | None:
        path = self.control / name
        return json.loads(path.read_text()) if path.exists() else None

    def exit(self) -> dict[str, Any]:
        """Wait for the evidence; its ``exit``."""
        return wait_for(lambda: self.json("exit.json"), "the exit evidence")["exit"]

    def news(self) -> list[str]:
        """The kinds of news, in order of time."""
        names = sorted(path.stem for path in Path(self.layout.inbox).glob("*.json"))
        return [name.rpartition("-")[2] for name in names]

    def pid_in(self, name: str) -> int:
        """Wait for a file of the working directory with a process id in it."""
        path = self.work / name
        return int(wait_for(lambda: path.exists() and path.read_text().strip(), name))

    def end(self) -> None:
        """Leave nothing running."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        for pid in [int(path.name) for path in Path("/proc").glob("[0-9]*")]:
            try:
                mark = f"GRMS_TAG={self.tag}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
            except OSError:
                continue
            if mark:
                os.kill(pid, signal.SIGKILL)


def lives(pid: int) -> bool:
    """True unless the process is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"
