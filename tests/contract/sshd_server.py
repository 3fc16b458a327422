"""A real OpenSSH server for tests, started and ended by the scripts in testbed/."""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from grms.transport.target import Target

TESTBED = Path(__file__).parents[2] / "testbed"


@dataclass
class Server:
    directory: Path
    exports: dict[str, str]

    def target(self, **changes) -> Target:
        """How to log in to it."""
        values = {
            "host": self.exports["SSHD_HOST"],
            "port": int(self.exports["SSHD_PORT"]),
            "user": self.exports["SSHD_USER"],
            "key_file": self.exports["SSHD_KEY"],
            "known_hosts": self.exports["SSHD_KNOWN_HOSTS"],
        }
        return Target(**(values | changes))

    def stop(self) -> None:
        subprocess.run([TESTBED / "sshd-down", self.directory], check=True, timeout=60)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.directory)


def start(directory: Path | None = None, **environment: str) -> Server:
    """Start a server, or skip where there is no OpenSSH."""
    # Not below pytest's own directory: the account that logs in must be able to pass.
    directory = directory or Path(tempfile.mkdtemp(prefix="grms-sshd-"))
    done = subprocess.run(
        [TESTBED / "sshd-up", directory],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode == 3:
        shutil.rmtree(directory, ignore_errors=True)
        pytest.skip(f"no sshd: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    lines = (line.removeprefix("export ") for line in done.stdout.splitlines())
    return Server(directory, dict(line.split("=", 1) for line in lines))
