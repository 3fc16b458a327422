"""``grms-server cluster``: the registry of clusters, for their owners."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from grms.broker.ports.store import Store
from grms.broker.records import Cluster, Measured
from grms.broker.rounds.probing import probe as measure
from grms.config import Settings
from grms.errors import ConfigError, ErrorCode, GrmsError
from grms.server import cluster_words as words
from grms.server.clusters import from_options, read_clusters
from grms.server.wiring import SiteBook, SystemClock, make_adapter, make_edges, make_store

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
names_argument = click.argument("names", metavar="NAME...", nargs=-1, required=True)


@click.group()
def cluster() -> None:
    """Clusters: what they are, how they are, and whether they take jobs."""


@cluster.command("add")
@click.argument("name", required=False)
@click.option("--file", type=click.Path(path_type=Path), help="TOML file with [cluster.NAME].")
@click.option("--replace", "again", is_flag=True, help="Replace clusters that are there already.")
@click.option("--probe/--no-probe", default=True, help="Ask the cluster at once; failing warns.")
@words.fact_options
@click.pass_obj
def add(
    settings: Settings,
    /,
    name: str | None,
    file: Path | None,
    again: bool,
    probe: bool,
    **facts: Any,
) -> None:
    """Register the cluster NAME, or all clusters of a file.

    Everything is checked first: all mistakes are told at once, and then nothing is registered.
    What is not declared but can be measured (processors, memory, queues) is taken from the probe.

    \b
    Examples:
      grms-server cluster add here --batch fork --workdir /scratch/grms
      grms-server cluster add big --batch slurm --transport ssh://grid@big.example.org \\
          --workdir /home/grid/grms --queue debug,default=true,max_wall=60 --max-jobs 200
      grms-server cluster add --file clusters.toml
    """
    found = _read(name, file, facts)
    with closing(make_store(settings)) as store:
        _refuse_known(store, found, again)
        before = {item.name: item for item in store.clusters()}
        for item in found:
            item = replace(item, declared=False)
            if item.name in before:
                item = replace(item, drained=item.drained or before[item.name].drained)
            if probe:
                item = _first_probe(settings, store, item)
            store.put_cluster(item)
            click.echo(f"cluster {item.name} is registered as {item.contact}")


def _read(name: str | None, file: Path | None, facts: Mapping[str, Any]) -> list[Cluster]:
    given = words.given(facts)
    if file is not None:
        if name or given:
            raise ConfigError("give NAME with its facts, or --file, not both")
        found = read_clusters(_toml(file), str(file))
        if not found:
            raise ConfigError(f"{file} declares no cluster; write a table [cluster.NAME]")
    elif name:
        found = [from_options(name, given)]
    else:
        raise ConfigError("give the NAME of the cluster, or --file")
    _check_adapters(found)
    return found


def _toml(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from error


def _check_adapters(clusters: Iterable[Cluster]) -> None:
    mistakes = []
    for item in clusters:
        try:
            make_adapter(item)
        except ConfigError as error:
            mistakes.append(error.message)
    if mistakes:
        raise ConfigError("\n".join(mistakes))


def _refuse_known(store: Store, found: Sequence[Cluster], again: bool) -> None:
    known = {item.name for item in store.clusters()} & {item.name for item in found}
    if known and not again:
        raise ConfigError(f"registered already: {', '.join(sorted(known))}; --replace replaces")


def _first_probe(settings: Settings, store: Store, item: Cluster) -> Cluster:
    """Measure a new cluster; what it tells fills what nobody declared. Failing only warns."""
    sites = SiteBook()
    try:
        site = sites.site(item, "")
        commands = list(site.adapter.probe_commands())
        facts = site.adapter.parse_probe(site.transport.run_many(commands))
        item = words.completed(item, facts)
        store.put_measured(measure(make_edges(settings, store, sites), item))
    except GrmsError as error:
        failed = Measured(item.name, SystemClock().now(), ok=False, error=error.message)
        store.put_measured(failed)
        click.echo(
            f"warning: {item.name} does not answer yet: {error.message}; "
            f"it gets jobs as soon as it does (try: grms-server cluster probe {item.name})",
            err=True,
        )
    finally:
        sites.close()
    return item


@cluster.command("list")
@json_option
@click.pass_obj
def list_(settings: Settings, as_json: bool) -> None:
    """List all clusters with what was last measured of them.

    \b
    Example: grms-server cluster list
    """
    with closing(make_store(settings)) as store:
        clusters, live = store.clusters(), store.live_counts()
        measured = {item.cluster: item for item in store.measured()}
    now = SystemClock().now()
    if as_json:
        _print([words.as_json(item, measured.get(item.name), live, now) for item in clusters])
        return
    rows = [words.row(item, measured.get(item.name), live, now) for item in clusters]
    for line in words.table([words.HEAD, *rows]):
        click.echo(line)


@cluster.command("show")
@click.argument("name")
@json_option
@click.pass_obj
def show(settings: Settings, name: str, as_json: bool) -> None:
    """Show all that is known of the cluster NAME; each measured figure with its age.

    \b
    Example: grms-server cluster show big
    """
    with closing(make_store(settings)) as store:
        item = _known(store, [name])[0]
        measured = {found.cluster: found for found in store.measured()}.get(name)
        live = store.live_counts()
    now = SystemClock().now()
    if as_json:
        _print(words.as_json(item, measured, live, now))
        return
    for line in words.details(item, measured, live, now):
        click.echo(line)


@cluster.command("probe")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@json_option
@click.pass_context
def probe(ctx: click.Context, names: tuple[str, ...], as_json: bool) -> None:
    """Measure clusters now, all without NAME; exit code 1 if one does not answer.

    \b
    Example: grms-server cluster probe big
    """
    sites = SiteBook()
    with closing(make_store(ctx.obj)) as store:
        edges = make_edges(ctx.obj, store, sites)
        found = _known(store, names) if names else list(store.clusters())
        try:
            measured = [measure(edges, item) for item in found]
        finally:
            sites.close()
        for result in measured:
            store.put_measured(result)
    now = SystemClock().now()
    if as_json:
        _print([words.measured_json(result, now) for result in measured])
    else:
        for result in measured:
            click.echo(words.measured_line(result))
    ctx.exit(0 if all(result.ok for result in measured) else 1)


@cluster.command("drain")
@names_argument
@click.pass_obj
def drain(settings: Settings, names: tuple[str, ...]) -> None:
    """Send no more jobs to the clusters NAME; those that are there go on to their end.

    \b
    Example: grms-server cluster drain big
    """
    _set_drained(settings, names, True)


@cluster.command("resume")
@names_argument
@click.pass_obj
def resume(settings: Settings, names: tuple[str, ...]) -> None:
    """Let the clusters NAME take jobs again.

    \b
    Example: grms-server cluster resume big
    """
    _set_drained(settings, names, False)


def _set_drained(settings: Settings, names: Sequence[str], drained: bool) -> None:
    with closing(make_store(settings)) as store:
        live = store.live_counts()
        for item in _known(store, names):
            store.put_cluster(replace(item, drained=drained))
            count = sum(number for (name, _), number in live.items() if name == item.name)
            left = f"; {count} live jobs go on to their end" if drained and count else ""
            click.echo(f"cluster {item.name} is {'drained' if drained else 'open'}{left}")


@cluster.command("remove")
@names_argument
@click.pass_obj
def remove(settings: Settings, names: tuple[str, ...]) -> None:
    """Forget the clusters NAME. Refused while they have live jobs: drain them first.

    \b
    Example: grms-server cluster drain old && grms-server cluster remove old
    """
    with closing(make_store(settings)) as store:
        for item in _known(store, names):
            store.remove_cluster(item.name)
            click.echo(f"cluster {item.name} is removed")
            if item.declared and settings.clusters_file:
                click.echo(f"remove it from {settings.clusters_file} as well, or it comes back")


def _known(store: Store, names: Sequence[str]) -> list[Cluster]:
    """The clusters, in the order asked. Raises GrmsError for all unknown names at once."""
    clusters = {item.name: item for item in store.clusters()}
    unknown = [name for name in names if name not in clusters]
    if unknown:
        known = ", ".join(clusters) or "none"
        raise GrmsError(
            f"there is no cluster {', '.join(unknown)}; registered: {known}",
            code=ErrorCode.UNKNOWN_CLUSTER,
        )
    return [clusters[name] for name in names]


def _print(value: object) -> None:
    click.echo(json.dumps(value, ensure_ascii=False))
