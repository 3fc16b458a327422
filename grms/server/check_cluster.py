"""Looking at one cluster the way the engine uses it."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from grms.broker.layout import ACCOUNT
from grms.broker.ports.batch import Command, CommandResult
from grms.broker.ports.sites import Site, Sites
from grms.broker.records import Cluster
from grms.errors import GrmsError
from grms.server.reports import Finding, fail, ok, warn

#: Seconds that a cluster's clock may be off; more would confuse times in histories.
CLOCK_LIMIT = 60.0
#: MB of free space below which jobs may soon fail.
LOW_DISK = 1000
#: The oldest Python that the wrapper runs on.
OLDEST_PYTHON = (3, 6)


def check_cluster(
    sites: Sites, cluster: Cluster, accounts: Collection[str] = ()
) -> Iterator[Finding]:
    """Reachable, prepared, open to the users' ``accounts``; its Python, disk, clock, system."""
    where = f"cluster {cluster.name}"
    if cluster.drained:
        yield warn(where, "is drained: it gets no new jobs", "resume it when it is mended")
    try:
        site = sites.site(cluster, "")
    except GrmsError as error:
        yield fail(where, error.message, "mend the way there, or drain the cluster")
        return
    yield ok(where, f"can be reached ({cluster.transport}); the wrapper is {site.wrapper}")
    for look in (partial(_sharing, accounts=accounts), _host, _clock, _batch):
        try:
            yield from look(site, where)
        except GrmsError as error:
            yield fail(where, error.message, "see docs/how-to/operate.md, 'A cluster fails'")


def _sharing(site: Site, where: str, accounts: Collection[str]) -> Iterator[Finding]:
    """Accounts without trees of their own must all be able to make theirs in the workdir."""
    if site.cluster.transport == "local" or not accounts or ACCOUNT in site.cluster.workdir:
        return
    result = site.transport.run(Command(("stat", "-L", "-c", "%a", site.layout.workdir)))
    finding = judge_sharing(where, site.layout.workdir, result)
    if finding is not None:
        yield finding


def judge_sharing(where: str, workdir: str, result: CommandResult) -> Finding | None:
    """A warning unless ``stat -c %a`` tells that everybody may write there."""
    mode = result.stdout.decode("ascii", "replace").strip()
    if mode.isdigit() and int(mode, 8) & 0o002:
        return None
    text = f"users have accounts there, but {workdir} (mode {mode or 'unknown'}) is closed to them"
    return warn(where, text, f"put {ACCOUNT} into workdir, or chmod 1777 {workdir}")


def _host(site: Site, where: str) -> Iterator[Finding]:
    words = (site.python, "-I", "-S", site.wrapper, "probe", site.layout.workdir)
    facts = read_facts(site.transport.run(Command(words)))
    if facts is None:
        text = f"{site.python} cannot run the wrapper there"
        yield fail(where, text, "set the cluster's option python to a Python 3.6 or later")
        return
    yield judge_python(where, site.python, str(facts.get("python", "")))
    free = facts.get("disk_free")
    if isinstance(free, int):
        text = f"{free} MB are free in {site.layout.workdir}"
        yield ok(where, text) if free >= LOW_DISK else warn(where, f"only {text}", "make room")


def read_facts(result: CommandResult) -> dict[str, Any] | None:
    """The answer of the wrapper's verb ``probe``, or None if it is none."""
    try:
        facts = json.loads(result.stdout)["answers"]
    except (ValueError, KeyError, TypeError):
        return None
    return facts if isinstance(facts, dict) else None


def judge_python(where: str, python: str, version: str) -> Finding:
    """Whether the wrapper can run there."""
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers >= OLDEST_PYTHON:
        return ok(where, f"{python} is Python {version}")
    cure = "set the cluster's option python to a Python 3.6 or later"
    return fail(where, f"{python} is Python {version or 'of unknown version'}", cure)


def _clock(site: Site, where: str) -> Iterator[Finding]:
    before = time.time()
    result = site.transport.run(Command(("date", "+%s")))
    yield judge_clock(where, result, (before + time.time()) / 2)


def judge_clock(where: str, result: CommandResult, ours: float) -> Finding:
    """Whether the cluster's clock, as ``date +%s`` tells it, agrees with ``ours``."""
    try:
        difference = float(result.stdout) - ours
    except ValueError:
        return warn(where, "its clock cannot be read with 'date +%s'", "look at it by hand")
    text = f"its clock differs by {abs(difference):.0f} s"
    if abs(difference) < CLOCK_LIMIT:
        return ok(where, text)
    side = "ahead" if difference > 0 else "behind"
    return fail(where, f"{text} (it is {side})", "set up NTP on both")


def _batch(site: Site, where: str) -> Iterator[Finding]:
    commands = list(site.adapter.probe_commands())
    if site.adapter.name != "fork":
        yield from _programs(site, where, commands)
    facts = site.adapter.parse_probe(site.transport.run_many(commands))
    cpus = "unknown" if facts.total_cpus is None else str(facts.total_cpus)
    name = f"{site.adapter.name} {facts.version}".strip()
    yield ok(where, f"{name} answers; processors: {cpus}")


def _programs(site: Site, where: str, commands: Sequence[Command]) -> Iterator[Finding]:
    """Where the batch commands come from, since several systems have a ``qsub``."""
    names = {command.argv[0] for command in commands}
    names.add(site.adapter.status_command(["1"]).argv[0])
    script = 'for n; do p=$(command -v "$n") && readlink -f "$p" || echo "-$n"; done'
    words = ("sh", "-c", script, "sh", *sorted(names))
    lines = site.transport.run(Command(words)).stdout.decode("utf-8", "replace").split()
    missing = [line[1:] for line in lines if line.startswith("-")]
    if missing:
        cure = "install them, or name their directory in the cluster's options"
        yield fail(where, f"not found there: {', '.join(missing)}", cure)
    folders = {str(PurePosixPath(line).parent) for line in lines if line.startswith("/")}
    if folders:
        yield ok(where, f"its batch commands are those of {', '.join(sorted(folders))}")
