"""How fast the SSH transport is, beside OpenSSH's own scp and sftp in the same run.

    python bench/ssh.py [MEGABYTES]

Starts a server of its own with testbed/sshd-up; nothing leaves this machine.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from grms.broker.ports.batch import Command
from grms.transport.ssh import SshTransport
from grms.transport.target import Target

TESTBED = Path(__file__).parents[1] / "testbed"
TRUE = Command(("true",))
OPTIONS = ["-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR"]


def rate(act: Callable[[], object], seconds: float = 3.0) -> float:
    """Calls a second."""
    act()
    started, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < seconds:
        act()
        count += 1
    return count / passed


def best(act: Callable[[], object], tries: int = 3) -> float:
    """The shortest of a few times, in seconds."""
    times = []
    for _ in range(tries):
        started = time.perf_counter()
        act()
        times.append(time.perf_counter() - started)
    return min(times)


def line(what: str, value: str) -> None:
    print(f"{what:<44} {value:>16}")


def small(transport: SshTransport) -> None:
    line("run", f"{rate(lambda: transport.run(TRUE)):.0f} /s")
    many = rate(lambda: transport.run_many([TRUE] * 100))
    line("run_many(100)", f"{many:.1f} /s = {many * 100:.0f} commands/s")
    line(
        "read of one absent file (a round trip)", f"{rate(lambda: transport.read(['/no'])):.0f} /s"
    )


def large(transport: SshTransport, target: Target, there: str, size: int) -> None:
    with tempfile.TemporaryDirectory() as here:
        source, back = Path(here, "source"), Path(here, "back")
        with source.open("wb") as file:
            for _ in range(size):
                file.write(os.urandom(1 << 20))
        distant = f"{target.user}@{target.host}:{there}/f"
        files = ["-i", target.key_file, "-o", f"UserKnownHostsFile={target.known_hosts}"]
        port = str(target.port)
        scp = ["scp", "-q", *files, *OPTIONS, "-P", port]
        sftp = ["sftp", "-q", *files, *OPTIONS, "-P", port, "-b", "-", distant.split(":")[0]]

        def batch(text: str) -> None:
            subprocess.run(sftp, input=text.encode(), check=True, stdout=subprocess.DEVNULL)

        acts: dict[str, Callable[[], object]] = {
            "put, verified and synced": lambda: transport.put(source, f"{there}/f"),
            "scp there": lambda: subprocess.run([*scp, source, distant], check=True),
            "sftp put": lambda: batch(f"put {source} {there}/f\n"),
            "get, verified and synced": lambda: transport.get(f"{there}/f", back),
            "scp back": lambda: subprocess.run([*scp, distant, back], check=True),
            "sftp get": lambda: batch(f"get {there}/f {back}\n"),
        }
        for what, act in acts.items():
            line(f"{what}, {size} MiB", f"{size / best(act):.0f} MiB/s")
        many = Path(here, "many")
        many.mkdir()
        for number in range(1000):
            (many / str(number)).write_bytes(os.urandom(10240))
        line(
            "put of 1000 files of 10 KiB",
            f"{best(lambda: transport.put(many, there + '/m')):.2f} s",
        )
        there_back = best(lambda: transport.get(there + "/m", Path(here, "many-back")))
        line("get of 1000 files of 10 KiB", f"{there_back:.2f} s")
        recursive = [*scp, "-r", many, distant + "r"]
        seconds = best(lambda: subprocess.run(recursive, check=True))
        line("scp -r of 1000 files of 10 KiB", f"{seconds:.2f} s")


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 256
    directory = tempfile.mkdtemp(prefix="grms-bench-ssh-")
    started = subprocess.run(
        [TESTBED / "sshd-up", directory], check=True, stdout=subprocess.PIPE, text=True
    )
    lines = (item.removeprefix("export ") for item in started.stdout.splitlines())
    found = dict(item.split("=", 1) for item in lines)
    target = Target(
        found["SSHD_HOST"],
        int(found["SSHD_PORT"]),
        found["SSHD_USER"],
        found["SSHD_KEY"],
        found["SSHD_KNOWN_HOSTS"],
    )
    transport = SshTransport(target)
    try:
        there = transport.run(Command(("mktemp", "-d"))).stdout.decode().strip()
        line("load of the machine at the start", f"{os.getloadavg()[0]:.1f}")
        small(transport)
        large(transport, target, there, size)
        transport.remove([there])
    finally:
        transport.close()
        subprocess.run([TESTBED / "sshd-down", directory], check=True)
        subprocess.run(["rm", "-r", directory], check=True)


if __name__ == "__main__":
    main()
