"""Clusters on the command line: their facts as options, and what is known of them as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

import click

from grms.broker.ports.batch import ProbeFacts
from grms.broker.records import Cluster, Measured, Queue

HEAD = ("NAME", "CONTACT", "STATE", "CPUS", "FREE", "WAITING", "RUNNING", "JOBS", "MEASURED")
Live = Mapping[tuple[str, str], int]
_Command = TypeVar("_Command", bound=Callable[..., Any])

_TEXTS = {
    "batch": "Batch system: fork, slurm, pbs, sge, lsf, condor.",
    "transport": "local, local+sudo, or ssh://[user@]host[:port]; default: local.",
    "workdir": "Directory on the cluster for jobs, absolute.",
    "host": "Its name for users, in contacts and in hostname.",
    "osname": "Operating system, such as Linux.",
    "ostype": "Its type, such as x86_64.",
    "osversion": "Its version.",
    "osrelease": "Its release.",
}
_NUMBERS = {
    "cpus": "Processors.",
    "cpu_speed": "Processor speed, MHz.",
    "memory": "Memory, MB.",
    "disk": "Disk space, MB.",
    "max_jobs": "Live jobs at once.",
    "max_jobs_per_user": "Live jobs at once of one user.",
}
_REPEATED = {
    "queue": "NAME[,default=true][,max_wall=MINUTES][,max_cpus=N][,memory=MB]; repeatable.",
    "application": "NAME[,version=V][,path=PATH][,instance_count=N]; repeatable.",
    "link": "[HOST][,bandwidth=KiB/s][,latency=MS][,capacity=KiB/s]; repeatable.",
    "user": "Only these users may use it; repeatable.",
    "deny_user": "These users may not; repeatable.",
    "project": "Only these projects may use it; repeatable.",
    "option": "KEY=VALUE of its batch system or transport; repeatable.",
}


def fact_options(command: _Command) -> _Command:
    """The options that ``cluster add`` takes a cluster's facts from."""
    decorators = [
        click.option(f"--{_dashed(name)}", name, help=text) for name, text in _TEXTS.items()
    ]
    decorators += [
        click.option(f"--{_dashed(name)}", name, type=int, help=text)
        for name, text in _NUMBERS.items()
    ]
    decorators += [
        click.option(f"--{_dashed(name)}", name, multiple=True, help=text)
        for name, text in _REPEATED.items()
    ]
    decorators += [
        click.option("--hours", help="FROM-TO in whole hours UTC, such as 18-6."),
        click.option("--drained", is_flag=True, help="Register it, but send no jobs yet."),
    ]
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


def given(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that were given at all."""
    return {name: value for name, value in facts.items() if value not in (None, (), False)}


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def completed(cluster: Cluster, facts: ProbeFacts) -> Cluster:
    """The cluster with what the probe tells in place of what nobody declared."""
    queues = tuple(
        Queue(item.name, item.default, item.max_wall, item.max_cpus) for item in facts.queues
    )
    return replace(
        cluster,
        cpus=facts.total_cpus if cluster.cpus is None else cluster.cpus,
        memory=facts.memory if cluster.memory is None else cluster.memory,
        queues=cluster.queues or queues,
    )


# -- what is known ----------------------------------------------------------------------------


def state(cluster: Cluster, measured: Measured | None) -> str:
    """drained, no answer, not measured, or open."""
    if cluster.drained:
        return "drained"
    if measured is None:
        return "not measured"
    return "open" if measured.ok else "no answer"


def age(measured: Measured, now: datetime) -> str:
    """How old a measurement is, such as ``40 s``."""
    seconds = max(0, int((now - measured.at).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def row(cluster: Cluster, measured: Measured | None, live: Live, now: datetime) -> tuple[str, ...]:
    """One line of ``cluster list``."""
    known = measured or Measured(cluster.name, now)
    jobs = str(sum(_of(cluster, live).values()))
    limit = cluster.limits.max_jobs
    return (
        cluster.name,
        cluster.contact,
        state(cluster, measured),
        _shown(cluster.cpus if cluster.cpus is not None else known.total_cpus),
        _shown(known.free_cpus),
        _shown(known.waiting),
        _shown(known.running),
        jobs if limit is None else f"{jobs} of {limit}",
        f"{age(measured, now)} ago" if measured else "-",
    )


def details(cluster: Cluster, measured: Measured | None, live: Live, now: datetime) -> list[str]:
    """All lines of ``cluster show``."""
    lines = [f"{cluster.name}: {cluster.contact}, {state(cluster, measured)}"]
    lines += _section("facts", _plain_facts(cluster))
    lines += _section("limits", _filled(_plain(cluster.limits)))
    lines += ["measured: never"] if measured is None else _measurement(measured, now)
    return lines + _section("live jobs", {who: str(n) for who, n in _of(cluster, live).items()})


def _measurement(measured: Measured, now: datetime) -> list[str]:
    old = f"{age(measured, now)} ago"
    if not measured.ok:
        return [f"measured: no answer {old}: {measured.error}"]
    figures = _filled(_figures(measured))
    return _section("measured", {name: f"{value} ({old})" for name, value in figures.items()})


def as_json(
    cluster: Cluster, measured: Measured | None, live: Live, now: datetime
) -> dict[str, Any]:
    """A cluster for programs."""
    return {
        **_plain(cluster),
        "contact": cluster.contact,
        "state": state(cluster, measured),
        "live": _of(cluster, live),
        "measured": measured_json(measured, now) if measured else None,
    }


def measured_json(measured: Measured, now: datetime) -> dict[str, Any]:
    """A measurement for programs; ``age`` in seconds."""
    return {
        "cluster": measured.cluster,
        "at": measured.at.isoformat().replace("+00:00", "Z"),
        "age": max(0.0, round((now - measured.at).total_seconds(), 3)),
        "ok": measured.ok,
        "error": measured.error,
        **_figures(measured),
    }


def measured_line(measured: Measured) -> str:
    """A measurement in one line."""
    if not measured.ok:
        return f"{measured.cluster}: no answer: {measured.error}"
    told = ", ".join(f"{name} {value}" for name, value in _filled(_figures(measured)).items())
    return f"{measured.cluster}: {told or 'it answers, but tells no figures'}"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in rows
    ]


def _of(cluster: Cluster, live: Live) -> dict[str, int]:
    return {owner: count for (name, owner), count in sorted(live.items()) if name == cluster.name}


def _figures(measured: Measured) -> dict[str, int | None]:
    names = ("free_cpus", "total_cpus", "free_memory", "free_disk", "waiting", "running")
    return {name: getattr(measured, name) for name in names}


def _plain_facts(cluster: Cluster) -> dict[str, Any]:
    hidden = ("name", "limits", "drained")
    return {key: value for key, value in _filled(_plain(cluster)).items() if key not in hidden}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    empty: tuple[Any, ...] = (None, "", [], {})
    return {key: item for key, item in values.items() if item not in empty and item is not False}


def _section(title: str, values: Mapping[str, Any]) -> list[str]:
    lines = [f"{title}:"] if values else []
    for key, value in values.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for item in value:
                lines.append(f"  {key}: {_inline(item)}")
        else:
            shown = value if not isinstance(value, list | dict) else _inline(value)
            lines.append(f"  {key}: {shown}")
    return lines


def _inline(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return ", ".join(f"{key} {item}" for key, item in _filled(value).items())


def _shown(value: int | None) -> str:
    return "-" if value is None else str(value)
