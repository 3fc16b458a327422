"""What does matching cost, against a plain loop that makes the same comparisons and keeps nothing?

Run: ``python bench/matching.py``. One job against 1,000 clusters (target 5 ms), and 10,000 queued
jobs of 20 kinds against 1,000 clusters, assigned to their end (target 1 s). The plain loop decides
yes or no for every job of the first figure and every kind of the second; it explains nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from time import process_time
from timeit import repeat

from grms.broker.matching import Matcher
from grms.broker.records import Cluster, Installed, Job, Link, Measured, OwnerLimits, Queue
from grms.broker.scheduling import Waiting, Weighed, assign
from grms.gjd.model import (
    Application,
    Executable,
    JobDescription,
    JobType,
    NetworkLimit,
    Requirements,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLUSTERS, JOBS, KINDS, OWNERS = 1000, 10_000, 20, 50
REPEATS = 15


def make_cluster(number: int) -> Cluster:
    return Cluster(
        name=f"c{number}",
        batch=("slurm", "pbs", "sge", "lsf", "condor")[number % 5],
        transport=f"ssh://grid@c{number}.example.org",
        workdir="/scratch/grms",
        host=f"c{number}.example.org",
        queues=(Queue("short", max_wall=60), Queue("long", default=True, max_wall=4320)),
        osname="Linux",
        ostype=("x86_64", "aarch64")[number % 2],
        cpus=16 * (1 + number % 8),
        cpu_speed=2000 + 100 * (number % 20),
        memory=64_000 + 1000 * (number % 64),
        disk=1_000_000,
        applications=(Installed("blast", "2.2"), Installed("gamess", str(number % 3))),
        links=(Link("", 10_000, 20, 8_000),),
        limits=OwnerLimits(max_jobs=40),
    )


def make_description(number: int) -> JobDescription:
    wanted = Requirements(
        osname="Linux",
        ostype="x86_64",
        memory=64_000 + 1000 * number,
        cpucount=16 + number,
        cpuspeed=2000 + 50 * number,
        maxwalltime=120,
        bandwidth=NetworkLimit(1000),
        applications=(Application("blast", "2.2"),),
        freecpus=2,
    )
    other = Requirements(localrmname="lsf", memory=32_000)
    return JobDescription("bench", Executable(JobType.SINGLE), (wanted, other))


def plain(description: JobDescription, clusters: list[Cluster], free: dict[str, int]) -> list[str]:
    found = []
    for cluster in clusters:
        for wanted in description.resources:
            if wanted.osname is not None and wanted.osname != cluster.osname:
                continue
            if wanted.ostype is not None and wanted.ostype != cluster.ostype:
                continue
            if wanted.localrmname is not None and wanted.localrmname != cluster.batch:
                continue
            if wanted.memory is not None and wanted.memory > (cluster.memory or 0):
                continue
            if wanted.cpucount is not None and wanted.cpucount > (cluster.cpus or 0):
                continue
            if wanted.cpuspeed is not None and wanted.cpuspeed > (cluster.cpu_speed or 0):
                continue
            wall = wanted.maxwalltime
            if wall is not None and all((q.max_wall or 0) < wall for q in cluster.queues):
                continue
            rate = wanted.bandwidth.value if wanted.bandwidth else None
            if rate is not None and all((link.bandwidth or 0) < rate for link in cluster.links):
                continue
            if any(
                all((a.name, a.version) != (i.name, i.version) for i in cluster.applications)
                for a in wanted.applications
            ):
                continue
            if wanted.freecpus is not None and wanted.freecpus > free[cluster.name]:
                continue
            found.append(cluster.name)
            break
    return found


def best(work: Callable[[], object]) -> float:
    """Milliseconds of processor time of the best of some runs: others may use the machine too."""
    return min(repeat(work, number=1, repeat=REPEATS, timer=process_time)) * 1000


def main() -> None:
    clusters = {c.name: c for c in (make_cluster(number) for number in range(CLUSTERS))}
    measured = {n: Measured(n, NOW, free_cpus=4 + i % 9) for i, n in enumerate(clusters)}
    free = {name: item.free_cpus or 0 for name, item in measured.items()}
    kinds = [make_description(number) for number in range(KINDS)]
    jobs = [
        Job(f"j{number:05d}", f"/CN=user {number % OWNERS}", "bench", "", NOW)
        for number in range(JOBS)
    ]

    def one() -> int:
        verdicts = Matcher(clusters, measured.values(), NOW).verdicts(kinds[0], "/CN=user 0")
        return sum(verdict.fits for verdict in verdicts)

    def many() -> int:
        matcher = Matcher(clusters, measured.values(), NOW)
        waiting = []
        for number, job in enumerate(jobs):
            verdicts = matcher.verdicts(kinds[number % KINDS], job.owner)
            waiting.append(Waiting(job, Weighed(verdicts)))
        return len(assign(waiting, clusters, {}, measured))

    listed = list(clusters.values())
    fitting = len(plain(kinds[0], listed, free))
    assert one() == fitting, "the plain loop and the matcher disagree"
    assert many() == JOBS, "not all jobs were assigned"
    bare = best(lambda: plain(kinds[0], listed, free))
    bare_kinds = best(lambda: [plain(kind, listed, free) for kind in kinds])
    taken, taken_many = best(one), best(many)
    print(f"1 job, {CLUSTERS} clusters, {fitting} fit")
    print(f"  matcher {taken:8.2f} ms   plain loop {bare:8.2f} ms   ratio {taken / bare:.1f}")
    print(f"{JOBS} jobs of {KINDS} kinds and {OWNERS} users, {CLUSTERS} clusters, all assigned")
    ratio = taken_many / bare_kinds
    print(f"  matcher {taken_many:8.2f} ms   plain loop {bare_kinds:8.2f} ms   ratio {ratio:.1f}")


if __name__ == "__main__":
    main()
