"""PSI/J, Parsl, AiiDA and GRMS on the same stand-ins of Slurm and PBS, on good and bad days.

    python bench/peers.py [--peer NAME ...] [--system NAME ...] [--day NAME ...] [--jobs 6]
                          [--environments DIR]

Each peer is installed from PyPI into an environment of its own below DIR (kept there for the next
run; unless given, a temporary one). ``stand_in.py`` tells what happens on the days. Every job
writes down its own start and end; what a peer tells of it is then compared with what it did:

``lost``         no end was told for it, or its submission was called a failure although it ran
``doubled``      its program was started more than once
``misreported``  told as finished before it ended, without having run or with another code than
                 0; or told as failed although it ran, or was still running to, code 0
``right``        all others: told as what it was, or truly said never to have run

Looks at the queue that are half a minute apart in production are a second apart here.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "testbed/simulators")]

import core  # noqa: E402 - the path must be set first
from stand_in import DAYS, install  # noqa: E402

HERE = Path(__file__).parent
#: Peer: what pip installs, and the systems it is tried on.
PEERS = {
    "psij": ("psij-python==0.9.11", ("slurm", "slurm-bare", "pbs")),
    "parsl": ("parsl==2026.10.26", ("slurm", "slurm-bare")),
    "aiida": ("aiida-core==2.9.4", ("slurm", "slurm-bare")),
    "grms": ("", ("slurm", "slurm-bare", "pbs")),
}
SYSTEMS = ("slurm", "slurm-bare", "pbs")
#: Codes that the jobs end with, in turn.
CODES = (0, 3, 0, 0, 7, 0)
#: How long they run, in seconds: through several looks, and each a little longer than the last.
SHORTEST, LONGER = 6.0, 0.7
PATIENCE = 240.0
CLOCK = 0.05
VERDICTS = ("right", "lost", "doubled", "misreported")
PROGRAM = """\
#!/bin/sh
echo "{name} start $(date +%s.%N)" >> {tally}
sleep {seconds}
echo "{name} {code} $(date +%s.%N)" >> {tally}
[ {code} = 0 ] && echo 3
exit {code}
"""


@dataclass
class Run:
    """One start of a job's program; ``end`` is None while it has not ended."""

    start: float
    end: float | None = None


@dataclass(frozen=True)
class Told:
    """What a peer said in the end: ``finished``, ``failed``, or ``refused`` its submission."""

    word: str
    said: str
    at: float


def judge(runs: Sequence[Run], code: int, told: Told | None) -> str:
    """What became of one job, beside what was said of it."""
    if len(runs) > 1:
        return "doubled"
    if told is None or (told.word == "refused" and runs):
        return "lost"
    if not runs:
        return "misreported" if told.word == "finished" else "right"
    ended = runs[0].end is not None and runs[0].end <= told.at + CLOCK
    if told.word == "finished":
        return "right" if ended and code == 0 else "misreported"
    return "right" if ended and code != 0 else "misreported"


def read_tally(file: Path) -> dict[str, list[Run]]:
    """What ran, by the programs' own lines."""
    found: dict[str, list[Run]] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        name, word, at = line.split()
        if word == "start":
            found.setdefault(name, []).append(Run(float(at)))
        else:
            next(run for run in found[name] if run.end is None).end = float(at)
    return found


def environment(peer: str, folder: Path) -> Path:
    """The Python of a peer; made and filled by pip unless it is there."""
    package, _ = PEERS[peer]
    if not package:
        return Path(sys.executable)
    python = folder / peer / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / peer], check=True)
        pip = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", package]
        subprocess.run(pip, check=True)
    return python


def case(peer: str, python: Path, system: str, day: str, count: int) -> dict[str, str]:
    """One peer on one system and day; the answer is a verdict for each job."""
    with tempfile.TemporaryDirectory(prefix="peers-") as name, ended(Path(name)):
        place = Path(name)
        folder = install(system, day, place)
        jobs = [write_job(place, number) for number in range(count)]
        plan = place / "plan.json"
        plan.write_text(json.dumps({"day": day, "jobs": jobs}))
        told = drive(peer, python, system, plan, {"PATH": f"{folder}:{os.environ['PATH']}"})
        settle(place)
        if not (place / "state" / "next").exists():
            raise SystemExit(f"{peer} never asked the stand-in")
        runs = read_tally(place / "tally")
        codes = {str(job["name"]): int(str(job["code"])) for job in jobs}
        return {
            name: f"{judge(runs.get(name, []), code, told.get(name))}: "
            f"{told[name].said.splitlines()[0] if name in told and told[name].said else 'nothing'}"
            for name, code in codes.items()
        }


@contextlib.contextmanager
def ended(place: Path) -> Iterator[None]:
    """No job outlives its case."""
    try:
        yield
    finally:
        core.stop(place)


def write_job(place: Path, number: int) -> dict[str, object]:
    """A program of its own for each job."""
    name, code = f"peers-job-{number}", CODES[number % len(CODES)]
    program = place / f"{name}.sh"
    seconds = SHORTEST + LONGER * number
    text = PROGRAM.format(name=name, code=code, seconds=seconds, tally=place / "tally")
    program.write_text(text)
    program.chmod(0o755)
    return {"name": name, "code": code, "program": str(program)}


def drive(
    peer: str, python: Path, system: str, plan: Path, more: dict[str, str]
) -> dict[str, Told]:
    """Let a peer carry out the plan; its first word on each job counts."""
    told: dict[str, Told] = {}
    log = plan.with_name("log")
    with log.open("wb") as complaints:
        driver = subprocess.Popen(
            [python, HERE / f"peer_{peer}.py", plan, system],
            cwd=plan.parent,
            env={**os.environ, **more, "HOME": str(plan.parent)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        )
        try:
            out, _ = driver.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            driver.kill()
            out, _ = driver.communicate()
    for line in out.splitlines():
        if line.startswith("{"):
            item = json.loads(line)
            told.setdefault(item["name"], Told(item["word"], item["said"], item["at"]))
    if not told:
        print(log.read_text()[-2000:], file=sys.stderr)
    return told


def settle(place: Path) -> None:
    """What runs is let to its end: it counts whether it ran twice."""
    state = core.State(place / "state")
    deadline = time.monotonic() + 60
    while any(job["state"] != "ended" for job in state.all()) and time.monotonic() < deadline:
        time.sleep(0.2)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    words.add_argument("--peer", action="append", choices=PEERS)
    words.add_argument("--system", action="append", choices=SYSTEMS)
    words.add_argument("--day", action="append", choices=DAYS)
    words.add_argument("--jobs", type=int, default=6)
    words.add_argument("--environments", type=Path)
    words.add_argument("--explain", action="store_true", help="print what was said of each job")
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as spare:
        folder = given.environments or Path(spare)
        print(f"| peer | system | day | {' | '.join(VERDICTS)} | s |")
        print("|---|---|---|---|---|---|---|---|")
        for peer in given.peer or PEERS:
            python = environment(peer, folder)
            name = PEERS[peer][0].replace("==", " ") or "GRMS"
            for system in PEERS[peer][1]:
                for day in given.day or DAYS:
                    if given.system and system not in given.system:
                        continue
                    began = time.monotonic()
                    found = case(peer, python, system, day, given.jobs)
                    spent = time.monotonic() - began
                    counts = Counter(verdict.partition(":")[0] for verdict in found.values())
                    numbers = " | ".join(str(counts[verdict]) for verdict in VERDICTS)
                    print(f"| {name} | {system} | {day} | {numbers} | {spent:.0f} |", flush=True)
                    if given.explain:
                        print(*found.items(), sep="\n", file=sys.stderr)


if __name__ == "__main__":
    main()
