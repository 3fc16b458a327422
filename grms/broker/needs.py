"""Each element of ``resource``, and what the executable itself needs, against one cluster. Pure.

A stated requirement on a fact that nobody told refuses: a job is never sent where it may not run.
What an executable needs without saying so (its ``count`` of processors) refuses only where the
fact is known. ``docs/explanation/matching.md`` has the table of rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from grms.broker.contacts import Contact, names, read_contact
from grms.broker.records import Cluster, Installed, Link, Measured, Queue
from grms.broker.verdicts import Refusal
from grms.gjd.model import Application, JobDescription, NetworkLimit, Requirements

Check = Callable[[Cluster, Measured | None], Refusal | None]
#: What a queue may limit: the element, its value, the queue's field, the unit.
Asked = tuple[str, int, str, str]

_TEXTS = ("osname", "ostype", "osversion", "osrelease")
#: element, field of the cluster, unit: the least that will do
_LEAST = (
    ("memory", "memory", "MB"),
    ("cpucount", "cpus", "processors"),
    ("cpuspeed", "cpu_speed", "MHz"),
    ("diskspace", "disk", "MB"),
)
#: element, measured field, the cluster's whole, unit
_FREE = (
    ("freememory", "free_memory", "memory", "MB"),
    ("freediskspace", "free_disk", "disk", "MB"),
    ("freecpus", "free_cpus", "cpus", "processors"),
)
#: element and field of a link, unit, whether it is the most that will do
_NETWORK = (("bandwidth", "KiB/s", False), ("latency", "ms", True), ("capacity", "KiB/s", False))


@dataclass(frozen=True, slots=True)
class Needs:
    """What a description asks of a cluster; descriptions with equal needs are matched once.

    ``wall`` is the expected duration in whole minutes, used where an alternative sets no limit.
    """

    alternatives: tuple[Requirements, ...]
    application: Application | None = None
    count: int = 1
    wall: int | None = None


def needs_of(description: JobDescription) -> Needs:
    """The needs of a description; without ``resource`` there is one alternative, asking nothing."""
    duration = description.duration
    return Needs(
        description.resources or (Requirements(),),
        description.executable.application,
        description.executable.count,
        None if duration is None else -(-int(duration.total_seconds()) // 60),
    )


def checks(needs: Needs, wanted: Requirements) -> list[Check]:
    """What one alternative asks, in the order of the schema; only what is asked is looked at."""
    found: list[Check] = [
        partial(_text, name, value)
        for name in _TEXTS
        if (value := getattr(wanted, name)) is not None
    ]
    if wanted.hostname is not None:
        found.append(partial(_host, wanted.hostname, read_contact(wanted.hostname)))
    if wanted.localrmname is not None:
        found.append(partial(_batch, wanted.localrmname))
    found += _static(needs, wanted)
    found += [
        partial(_network, name, unit, at_most, limit)
        for name, unit, at_most in _NETWORK
        if (limit := getattr(wanted, name)) is not None
    ]
    if needs.application is not None:
        found.append(partial(_installed, "executable/application", needs.application))
    found += [partial(_installed, "application", item) for item in wanted.applications]
    found += [
        partial(_free, name, field, whole, unit, value)
        for name, field, whole, unit in _FREE
        if (value := getattr(wanted, name)) is not None
    ]
    return found


def cpus_of(cluster: Cluster, measured: Measured | None) -> int | None:
    """The declared number of processors, else the measured one."""
    if cluster.cpus is None and measured is not None:
        return measured.total_cpus
    return cluster.cpus


# -- words ------------------------------------------------------------------------------------


def _text(name: str, value: str, cluster: Cluster, _measured: Measured | None) -> Refusal | None:
    has: str = getattr(cluster, name)
    if value == has:
        return None
    return Refusal(name, value, has, f"ask for {has}" if has else _declare(name))


def _host(
    text: str, contact: Contact | None, cluster: Cluster, _measured: Measured | None
) -> Refusal | None:
    if contact is None:
        change = "write it as host, host:port or host/jobmanager-NAME"
        return Refusal("hostname", text, cluster.contact, change)
    if names(contact, cluster):
        return None
    change = f"name {cluster.contact}, or leave hostname out"
    return Refusal("hostname", text, cluster.contact, change)


def _batch(wanted: str, cluster: Cluster, _measured: Measured | None) -> Refusal | None:
    if wanted == cluster.batch:
        return None
    change = f"ask for {cluster.batch}, or leave localrmname out"
    return Refusal("localrmname", wanted, cluster.batch, change)


# -- numbers ----------------------------------------------------------------------------------


def _static(needs: Needs, wanted: Requirements) -> Iterator[Check]:
    for name, field, unit in _LEAST:
        value = getattr(wanted, name)
        if value is not None:
            yield partial(_least, name, field, unit, value)
    if needs.count > 1:
        yield partial(_count, needs.count)


def _least(
    name: str, field: str, unit: str, value: int, cluster: Cluster, measured: Measured | None
) -> Refusal | None:
    has = cpus_of(cluster, measured) if field == "cpus" else getattr(cluster, field)
    if has is not None and has >= value:
        return None
    change = _declare(name, field) if has is None else f"lower {name} to {has}"
    return Refusal(name, f"at least {_of(value, unit)}", _of(has, unit), change)


def _count(count: int, cluster: Cluster, measured: Measured | None) -> Refusal | None:
    """A forked process gets no processor of its own, so fork takes any number of them."""
    cpus = cpus_of(cluster, measured)
    if cpus is None or count <= cpus or cluster.batch == "fork":
        return None
    has = _of(cpus, "processors")
    return Refusal("count", f"{count} processors", has, f"lower count to {cpus}")


def _free(
    name: str,
    field: str,
    whole: str,
    unit: str,
    value: int,
    cluster: Cluster,
    measured: Measured | None,
) -> Refusal | None:
    """What is free now. Only what exceeds the cluster's whole is refused for good."""
    free: int | None = getattr(measured, field, None)
    if free is not None and free >= value:
        return None
    most = cpus_of(cluster, measured) if whole == "cpus" else getattr(cluster, whole)
    text = f"at least {_of(value, unit)} free"
    if most is not None and value > most:
        return Refusal(name, text, f"{_of(most, unit)} in all", f"lower {name} to {most}")
    if free is None:
        change = f"wait until it is measured, or leave {name} out"
        return Refusal(name, text, "", change, lasting=False)
    change = f"wait, or lower {name} to {free}"
    return Refusal(name, text, f"{_of(free, unit)} free", change, lasting=False)


# -- network ----------------------------------------------------------------------------------


def _network(
    name: str,
    unit: str,
    at_most: bool,
    limit: NetworkLimit,
    cluster: Cluster,
    _measured: Measured | None,
) -> Refusal | None:
    link = link_to(cluster.links, limit.hostname or "")
    has: int | None = getattr(link, name, None)
    if has is not None and (has <= limit.value if at_most else has >= limit.value):
        return None
    bound, verb = ("at most", "raise") if at_most else ("at least", "lower")
    end = f" to {limit.hostname}" if limit.hostname else ""
    change = _declare(name, f"{name} of links") if has is None else f"{verb} {name} to {has}"
    return Refusal(f"{name}{end}", f"{bound} {limit.value} {unit}", _of(has, unit), change)


def link_to(links: Iterable[Link], hostname: str) -> Link | None:
    """The link to ``hostname``, else the cluster's own figure for everywhere."""
    general = None
    for link in links:
        if not link.hostname:
            general = link
        elif link.hostname.lower() == hostname.lower():
            return link
    return general


# -- applications -----------------------------------------------------------------------------


def _installed(
    name: str, wanted: Application, cluster: Cluster, _measured: Measured | None
) -> Refusal | None:
    """What is not declared is not there: the list of applications is complete."""
    version, least = wanted.version, wanted.instance_count
    for item in cluster.applications:
        right_one = item.name == wanted.name and version in (None, item.version)
        if right_one and (least is None or (item.instance_count or 0) >= least):
            return None
    same = [item for item in cluster.applications if item.name == wanted.name]
    right = [item for item in same if version in (None, item.version)]
    text = f"{wanted.name} {wanted.version or ''}".strip()
    if not same:
        others = ", ".join(sorted({item.name for item in cluster.applications})) or "none at all"
        return Refusal(name, text, others, f"have {text} installed and declared there")
    if not right:
        versions = sorted({item.version for item in same if item.version})
        has = f"{wanted.name} {', '.join(versions)}" if versions else f"{wanted.name}, no version"
        change = f"ask for version {' or '.join(versions)}" if versions else "leave version out"
        return Refusal(name, text, has, change)
    return _instances(name, text, least or 0, right)


def _instances(name: str, text: str, least: int, found: list[Installed]) -> Refusal:
    counts = [item.instance_count for item in found if item.instance_count is not None]
    has = _of(max(counts), "instances") if counts else ""
    change = (
        f"lower instanceCount to {max(counts)}"
        if counts
        else _declare("instanceCount", "instance_count")
    )
    return Refusal(name, f"{_of(least, 'instances')} of {text}", has, change)


# -- queues -----------------------------------------------------------------------------------


def choose_queue(
    wanted: str | None, asked: Sequence[Asked], cluster: Cluster
) -> tuple[str, tuple[Refusal, ...]]:
    """The queue for one alternative: the one it wants, else the first that takes what it asks.

    The default queue is tried first, then the others as they are declared. Without declared
    queues the answer is "", the batch system's own default. Where none takes it, the refusals are
    those of the nearest.
    """
    queues: Sequence[Queue] = cluster.queues
    if wanted is not None:
        queues = [queue for queue in queues if queue.name == wanted]
        if not queues:
            return "", (_no_queue(wanted, cluster),)
    elif not queues:
        return "", ()
    elif not queues[0].default:
        queues = sorted(queues, key=lambda queue: not queue.default)
    for queue in queues:
        for _, value, field, _ in asked:
            most = getattr(queue, field)
            if most is not None and value > most:
                break
        else:
            return queue.name, ()
    nearest = min(queues, key=lambda queue: _distance(_excess(asked, queue)))
    return nearest.name, tuple(_too_much(nearest, *item) for item in _excess(asked, nearest))


def asked_of_queue(needs: Needs, wanted: Requirements) -> list[Asked]:
    """What one alternative asks that a queue may limit."""
    wall, minutes = _wall(needs, wanted)
    rows = (
        (wall, minutes, "max_wall", "minutes"),
        ("count", needs.count, "max_cpus", "processors"),
        ("memory", wanted.memory, "memory", "MB"),
    )
    return [(name, value, field, unit) for name, value, field, unit in rows if value is not None]


def _no_queue(wanted: str, cluster: Cluster) -> Refusal:
    declared = ", ".join(queue.name for queue in cluster.queues)
    change = (
        f"ask for {declared.replace(', ', ' or ')}" if declared else _declare("queue", "queues")
    )
    return Refusal("queue", wanted, declared, change)


def _excess(asked: Sequence[Asked], queue: Queue) -> list[tuple[str, int, int, str]]:
    """(element, value, the queue's limit, unit) of everything that is too much for a queue."""
    return [
        (name, value, most, unit)
        for name, value, field, unit in asked
        if (most := getattr(queue, field)) is not None and value > most
    ]


def _distance(excess: list[tuple[str, int, int, str]]) -> tuple[int, float]:
    return len(excess), sum(value / max(1, most) for _, value, most, _ in excess)


def _too_much(queue: Queue, name: str, value: int, most: int, unit: str) -> Refusal:
    text = f"PT{most}M" if name == "execDuration" else str(most)
    has = f"at most {_of(most, unit)} in queue {queue.name}"
    return Refusal(name, _of(value, unit), has, f"lower {name} to {text}")


def _wall(needs: Needs, wanted: Requirements) -> tuple[str, int | None]:
    """The wall time that is asked of the batch system, in minutes, and the element that says it."""
    limits = [("maxwalltime", wanted.maxwalltime), ("maxtime", wanted.maxtime)]
    stated = [(name, value) for name, value in limits if value is not None]
    if stated:
        return min(stated, key=lambda item: item[1])
    return "execDuration", needs.wall


# -- words for all ----------------------------------------------------------------------------


def _of(value: int | None, unit: str) -> str:
    """``3 processors``; "" for what is not known."""
    if value is None:
        return ""
    return f"{value} {unit.removesuffix('s')}" if value == 1 and unit != "ms" else f"{value} {unit}"


def _declare(name: str, key: str = "") -> str:
    return f"leave {name} out, or let its owner declare {key or name}"
