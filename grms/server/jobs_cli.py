"""Commands about jobs: list, parked, release, export, orphans."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from grms.broker.edges import Edges
from grms.broker.lifecycle import JobState
from grms.broker.ports.store import JobQuery, Store
from grms.broker.records import Cluster, Job, Principal
from grms.broker.service import Service
from grms.config import Settings
from grms.errors import ErrorCode, GrmsError
from grms.server import orphans as lost
from grms.server.poke import Poker
from grms.server.story import story
from grms.server.wiring import SiteBook, SystemClock, make_edges, make_stager, opened

#: Whose name the history tells when a person acts through these commands.
ADMINISTRATOR = Principal("the administrator", admin=True)


@click.command("jobs")
@click.option("--state", type=click.Choice([s.value for s in JobState], case_sensitive=False))
@click.option("--owner", help="Only jobs of this user.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="At most.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of lines.")
@click.pass_obj
def jobs(
    settings: Settings, state: str | None, owner: str | None, limit: int, as_json: bool
) -> None:
    """List everybody's jobs, newest first: id, state, owner, time of submission, reason.

    \b
    Example: grms-server jobs --state RUNNING --owner alice
    """
    states = (JobState[state.upper()],) if state else ()
    with opened(settings) as store:
        found = store.jobs(JobQuery(owner=owner, states=states, limit=limit))
        _list(found, as_json)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of lines.")
@click.pass_obj
def parked(settings: Settings, as_json: bool) -> None:
    """List the jobs that were given up after repeated failures, each with the reason.

    When the cause is mended, 'release' lets a job try again.
    """
    with opened(settings) as store:
        _list(store.jobs(JobQuery(parked=True)), as_json)


def _list(found: Sequence[Job], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_fields(job) for job in found], indent=2, ensure_ascii=False))
        return
    for job in found:
        click.echo("\t".join(str(value) for value in _fields(job).values()))


def _fields(job: Job) -> dict[str, str]:
    return {
        "id": job.id,
        "state": job.state.value,
        "owner": job.owner,
        "submitted_at": job.submitted_at.isoformat(timespec="seconds"),
        "error": " ".join(job.error.split()),
    }


@click.command()
@click.argument("job_ids", nargs=-1, required=True, metavar="JOB...")
@click.pass_obj
def release(settings: Settings, job_ids: tuple[str, ...]) -> None:
    """Let parked jobs try again from the queue.

    \b
    Example: grms-server release 1764280000000_alice_0042
    """
    failures = []
    with opened(settings) as store, contextlib.closing(Poker(settings.data_dir)) as poker:
        service = Service(store, make_stager(settings), SystemClock(), poker)
        for job_id in job_ids:
            try:
                job = service.release(ADMINISTRATOR, job_id)
                click.echo(f"{job.id} is {job.state.value} again")
            except GrmsError as error:
                failures.append(error.message)
    if failures:
        raise GrmsError("\n".join(failures))


@click.command()
@click.argument("job_id", metavar="JOB")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.pass_obj
def export(settings: Settings, job_id: str, file: Path | None) -> None:
    """Write all that is known of JOB as JSON to FILE (or standard output), for a bug report.

    Passwords, tokens and keys are replaced where they can be told; the description, arguments
    and host names are kept. Read it before you send it. FILE is not overwritten.

    \b
    Example: grms-server export 1764280000000_alice_0042 story.json
    """
    with opened(settings) as store, contextlib.closing(SiteBook()) as sites:
        text = json.dumps(story(settings, store, sites, job_id), indent=2, ensure_ascii=False)
    if file is None:
        click.echo(text)
        return
    try:
        with file.open("x", encoding="utf-8") as stream:
            file.chmod(0o600)
            stream.write(f"{text}\n")
    except OSError as error:
        raise GrmsError(f"cannot write {file}: {error.strerror}") from error
    click.echo(f"{file} has the story of {job_id}; read it before you send it")


@click.command()
@click.argument("cluster", required=False)
@click.option("--adopt", is_flag=True, help="Take those whose attempt still waits for its id.")
@click.option("--end", is_flag=True, help="Cancel the others, and remove marks without a job.")
@click.option("--yes", is_flag=True, help="Do not ask before --end.")
@click.pass_obj
def orphans(settings: Settings, cluster: str | None, adopt: bool, end: bool, yes: bool) -> None:
    """List native jobs under our tags that the broker does not know or has given up.

    Looks at CLUSTER, or at all. --end also ends the jobs of another broker that shares the
    cluster's workdir: such brokers need workdirs of their own.

    \b
    Example: grms-server orphans hpc --end
    """
    with _edges(settings) as edges:
        found = [item for place in _chosen(edges.store, cluster) for item in _of(edges, place)]
        for item in found:
            click.echo(f"{item.cluster}\t{item.native_id or '-'}\t{item.tag}\t{_said(item)}")
        if adopt:
            for item in [item for item in found if item.adoptable]:
                click.echo(f"{item.native_id}: {lost.adopt(edges, item)}")
                found.remove(item)
        if end and found and (yes or click.confirm(f"End these {len(found)}?")):
            for item, what in lost.end(edges, found):
                click.echo(f"{item.native_id or item.tag}: {what}")


@contextlib.contextmanager
def _edges(settings: Settings) -> Iterator[Edges]:
    with opened(settings) as store, contextlib.closing(SiteBook()) as sites:
        yield make_edges(settings, store, sites)


def _chosen(store: Store, name: str | None) -> list[Cluster]:
    found = [cluster for cluster in store.clusters() if name in (None, cluster.name)]
    if name is not None and not found:
        known = ", ".join(cluster.name for cluster in store.clusters()) or "none"
        raise GrmsError(
            f"there is no cluster {name!r}; known: {known}", code=ErrorCode.UNKNOWN_CLUSTER
        )
    return found


def _of(edges: Edges, cluster: Cluster) -> list[lost.Orphan]:
    try:
        return list(lost.find_orphans(edges, cluster))
    except GrmsError as error:
        click.echo(f"{cluster.name}: not looked at: {error.message}", err=True)
        return []


def _said(item: lost.Orphan) -> str:
    return f"{item.state}\t{item.why}" + ("; --adopt takes it" if item.adoptable else "")
