"""From a description and a placement to what must be moved and what must be run. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from grms.broker.checkpointing import declared
from grms.broker.layout import Layout, control, work
from grms.broker.ports.batch import Submission
from grms.broker.ports.sites import Site
from grms.broker.records import Attempt, Cluster, FileDir, Json
from grms.errors import ErrorCode, RequestError
from grms.gjd.model import Executable, JobDescription, JobType, Requirements
from grms.gjd.urls import local_path

#: Seconds that a batch system allows on top of a limit, so that the wrapper speaks first: it names
#: the limit and leaves evidence, which a batch system that kills does not.
MARGIN = 60
HEARTBEAT = 30.0
GRACE = 10.0
_HOME = "${HOME}"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One file or directory to move between ``url`` and ``path`` (absolute, on the cluster)."""

    url: str
    path: str
    directory: bool = False
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What is asked of the batch system and held by the wrapper: seconds, seconds, MB."""

    wall: int | None = None
    cpu: int | None = None
    memory: int | None = None


def requirements(description: JobDescription, alternative: int) -> Requirements:
    """The alternative that an attempt was placed by; an empty one where none was stated."""
    if not description.resources:
        return Requirements()
    return description.resources[min(alternative, len(description.resources) - 1)]


def limits(description: JobDescription, alternative: int) -> Limits:
    """``maxwalltime`` and ``maxtime`` bind the wall clock, the shorter wins; else ``execDuration``.

    The minimum of memory that a job asks for is also what it may use.
    """
    wanted = requirements(description, alternative)
    minutes = [value for value in (wanted.maxwalltime, wanted.maxtime) if value is not None]
    wall = min(minutes) * 60 if minutes else None
    if wall is None and description.duration is not None:
        wall = max(1, int(description.duration.total_seconds()))
    cpu = wanted.maxcputime * 60 if wanted.maxcputime is not None else None
    return Limits(wall, cpu, wanted.memory)


def transfers_in(description: JobDescription, directory: str) -> tuple[Transfer, ...]:
    """What must be there before the job starts."""
    executable, place = description.executable, work(directory)
    found = [
        Transfer(item.url, f"{place}/{item.name}", item.is_directory)
        for item in executable.files
        if item.direction.stages_in
    ]
    found += [
        Transfer(item.url, f"{place}/{item.name}", item.is_directory)
        for item in executable.checkpoint
        if item.direction.stages_in and item.url
    ]
    program = executable.file
    if program is not None and local_path(program.url) is None:
        found.append(Transfer(program.url, f"{place}/{program.name}", executable=True))
    if executable.stdin:
        found.append(Transfer(executable.stdin, f"{control(directory)}/stdin"))
    return tuple(found)


def transfers_out(
    description: JobDescription, directory: str, registered: Iterable[FileDir] = ()
) -> tuple[Transfer, ...]:
    """What must be delivered after the job ended: declared files, streams, registered files."""
    executable, place = description.executable, work(directory)
    found = []
    if executable.stdout:
        found.append(Transfer(executable.stdout, stream(directory, "stdout")))
    if executable.stderr:
        found.append(Transfer(executable.stderr, stream(directory, "stderr")))
    found += [
        Transfer(item.url, _inside(place, item.name), item.is_directory)
        for item in executable.files
        if item.direction.stages_out
    ]
    found += [
        Transfer(item.path, _inside(place, item.name), item.directory)
        for item in registered
        if not item.logical
    ]
    return tuple(dict.fromkeys(found))


def stream(directory: str, name: str) -> str:
    """Where ``stdout`` or ``stderr`` of the job is written while it runs."""
    return f"{control(directory)}/{name}"


def argv(executable: Executable, cluster: Cluster, directory: str) -> tuple[str, ...]:
    """The program and its arguments. Raises RequestError if the cluster lacks the application."""
    values = executable.values
    if executable.application is not None:
        name, version = executable.application.name, executable.application.version
        for installed in cluster.applications:
            if installed.name == name and version in (None, installed.version):
                return (installed.path or name, *values)
        raise RequestError(
            f"{cluster.name} has no application {name} {version or ''}".rstrip(),
            code=ErrorCode.NO_RESOURCE,
        )
    if executable.file is None:  # the parser gives one or the other
        raise RequestError("the description names no executable", code=ErrorCode.BAD_DESCRIPTION)
    path = local_path(executable.file.url)
    if path is None:
        return (f"{work(directory)}/{executable.file.name}", *values)
    if _HOME in path:  # only the execution host knows the account's home there
        prefix, _, rest = path.partition(_HOME)
        lead = "" if prefix == "/" else prefix
        return ("/bin/sh", "-c", 'p=$1; shift; exec "$HOME$p" "$@"', "sh", lead + rest, *values)
    return (path, *values)


def spec(
    description: JobDescription, attempt: Attempt, site: Site, restored: int | None = None
) -> dict[str, Json]:
    """The wrapper's specification; its keys are explained in ``grms.jobside``.

    ``restored`` is the number of the checkpoint that the attempt goes on from.
    """
    executable, bound = description.executable, limits(description, attempt.alternative)
    layout = Layout(site.layout.workdir)
    directory = attempt.directory
    launcher: list[Json] = []
    if executable.type is JobType.MPI:
        words = site.cluster.options.get("mpi_launcher", "mpirun -np {count}").split()
        launcher = list(words)
    return {
        "version": 1,
        "job_id": attempt.job_id,
        "attempt": attempt.number,
        "tag": attempt.tag,
        "inbox": layout.inbox,
        "tags": layout.tags,
        "fence": layout.fence(attempt.job_id),
        "work": work(directory),
        "argv": list(argv(executable, site.cluster, directory)),
        "env": dict(executable.environment),
        "stdin": f"{control(directory)}/stdin" if executable.stdin else None,
        "stdout": stream(directory, "stdout"),
        "stderr": stream(directory, "stderr"),
        "type": executable.type.value,
        "count": executable.count,
        "launcher": launcher,
        "limits": {"wall": bound.wall, "cpu": bound.cpu, "memory": bound.memory},
        "heartbeat": HEARTBEAT,
        "grace": GRACE,
        "checkpoint": declared(description),
        "restored": "" if restored is None else str(restored),
        "append": restored is not None,
    }


def submission(description: JobDescription, attempt: Attempt, site: Site) -> Submission:
    """What the adapter needs to know."""
    bound = limits(description, attempt.alternative)
    place = control(attempt.directory)
    return Submission(
        tag=attempt.tag,
        wrapper=(site.python, "-I", "-S", site.wrapper, "run", f"{place}/spec.json"),
        directory=place,
        workdir=work(attempt.directory),
        count=description.executable.count,
        parallel=description.executable.type is JobType.MPI,
        queue=attempt.queue,
        project=site.cluster.options.get("project", "") or (description.project or ""),
        wall=_wall(bound.wall, attempt.queue, site.cluster),
        cpu=None if bound.cpu is None else bound.cpu + MARGIN * description.executable.count,
        memory=bound.memory,
    )


def _wall(wall: int | None, queue: str, cluster: Cluster) -> int | None:
    """The batch system's own limit; never more than the queue takes, or it would refuse the job."""
    if wall is None:
        return None
    most = [item.max_wall for item in cluster.queues if item.name == queue and item.max_wall]
    return max(wall, min([wall + MARGIN, *(60 * minutes for minutes in most)]))


def _inside(place: str, name: str) -> str:
    return place if name in (".", "./") else f"{place}/{name}"
