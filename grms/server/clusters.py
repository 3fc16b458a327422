"""The declarative description of clusters: TOML tables and ``cluster add`` become Cluster values.

``docs/reference/clusters.md`` lists the keys; a test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from grms.broker.records import Cluster, Installed, Link, OwnerLimits, Queue
from grms.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_HERE = ("local", "local+sudo")
_TEXT = ("host", "transport", "workdir", "osname", "ostype", "osversion", "osrelease")
_NUMBERS = ("cpus", "cpu_speed", "memory", "disk")
_LISTS = {
    "queues": (Queue, {"name": str, "default": bool, "max_wall": int, "max_cpus": int,
                       "memory": int}),
    "applications": (Installed, {"name": str, "version": str, "path": str,
                                 "instance_count": int}),
    "links": (Link, {"hostname": str, "bandwidth": int, "latency": int, "capacity": int}),
}  # fmt: skip
KEYS = ("batch", *_TEXT, *_NUMBERS, *_LISTS, "limits", "options", "drained")
_LIMITS = ("users", "denied_users", "projects", "max_jobs", "max_jobs_per_user", "hours")


def read_clusters(tables: Mapping[str, object], place: str) -> list[Cluster]:
    """All clusters of a file: one table ``[cluster.NAME]`` each.

    Raises ConfigError with every mistake at once, each with its place and cure.
    """
    mistakes: list[str] = []
    for key in tables:
        if key != "cluster":
            mistakes.append(f"{place}: there is no table {key!r}; clusters are [cluster.NAME]")
    clusters = tables.get("cluster", {})
    found: list[Cluster] = []
    if not isinstance(clusters, Mapping):
        mistakes.append(f"{place}: [cluster.NAME] expected")
        clusters = {}
    for name, table in clusters.items():
        where = f"{place}: [cluster.{name}]"
        if not isinstance(table, Mapping):
            mistakes.append(f"{where} is not a table")
            continue
        cluster = read_cluster(str(name), table, where, mistakes)
        if cluster is not None:
            found.append(cluster)
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return found


def read_cluster(
    name: str, table: Mapping[str, Any], where: str, mistakes: list[str], *, declared: bool = True
) -> Cluster | None:
    """One cluster; its mistakes are added to ``mistakes``, and then the answer is None."""
    before = len(mistakes)
    fields: dict[str, Any] = {}
    for key, value in table.items():
        if key in _TEXT or key == "batch":
            _typed(fields, key, value, str, where, mistakes)
        elif key in _NUMBERS:
            _typed(fields, key, value, int, where, mistakes)
        elif key == "drained":
            _typed(fields, key, value, bool, where, mistakes)
        elif key in _LISTS:
            fields[key] = _items(key, value, where, mistakes)
        elif key == "limits":
            fields[key] = _limits(value, where, mistakes)
        elif key == "options":
            fields[key] = _options(value, where, mistakes)
        else:
            mistakes.append(f"{where}: there is no key {key!r}; known: {', '.join(KEYS)}")
    if not _NAME.fullmatch(name):
        mistakes.append(
            f"{where}: the name {name!r}: expected letters, digits, dots, dashes and underscores"
        )
    _check_transport(fields.get("transport", "local"), where, mistakes)
    _check_twice(fields, where, mistakes)
    if "batch" not in table:
        mistakes.append(f"{where}: batch is missing, such as batch = 'slurm'")
    workdir = fields.get("workdir", "")
    if not workdir.startswith("/") or workdir.endswith("/") or ".." in workdir.split("/"):
        mistakes.append(
            f"{where}: workdir = {workdir!r}: expected an absolute directory on the cluster, "
            "without a slash at its end"
        )
    return None if len(mistakes) > before else Cluster(name=name, declared=declared, **fields)


def from_options(name: str, facts: Mapping[str, Any]) -> Cluster:
    """A cluster from the options of ``cluster add``. Raises ConfigError with every mistake."""
    mistakes: list[str] = []
    where = f"cluster {name}"
    table: dict[str, Any] = {key: facts[key] for key in (*_TEXT, *_NUMBERS) if key in facts}
    table |= {key: facts[key] for key in ("batch", "drained") if key in facts}
    for option, key in (("queue", "queues"), ("application", "applications"), ("link", "links")):
        if option in facts:
            lead = "hostname" if option == "link" else "name"
            table[key] = [
                _item(text, lead, key, f"{where}: --{option} {text}", mistakes)
                for text in facts[option]
            ]
    if limits := _limit_options(facts, where, mistakes):
        table["limits"] = limits
    if "option" in facts:
        pairs = [text.partition("=") for text in facts["option"]]
        mistakes += [
            f"{where}: --option {key}: expected KEY=VALUE" for key, equals, _ in pairs if not equals
        ]
        table["options"] = {key: value for key, _, value in pairs}
    found = read_cluster(name, table, where, mistakes, declared=False)
    if mistakes or found is None:
        raise ConfigError("\n".join(mistakes))
    return found


def _item(text: str, lead: str, key: str, where: str, mistakes: list[str]) -> dict[str, Any]:
    """``short,max_wall=60`` as the table that a file would have."""
    kinds = _LISTS[key][1]
    item: dict[str, Any] = {}
    for number, part in enumerate(text.split(",")):
        word, equals, value = part.partition("=")
        if not equals:
            if number or not word:
                mistakes.append(f"{where}: {part!r}: expected KEY=VALUE")
            else:
                item[lead] = word
        elif kinds.get(word) is int and value.isascii() and value.isdigit():
            item[word] = int(value)
        elif kinds.get(word) is bool and value in ("true", "false"):
            item[word] = value == "true"
        else:
            item[word] = value
    return item


def _limit_options(facts: Mapping[str, Any], where: str, mistakes: list[str]) -> dict[str, Any]:
    names = (("user", "users"), ("deny_user", "denied_users"), ("project", "projects"))
    limits: dict[str, Any] = {key: list(facts[option]) for option, key in names if option in facts}
    limits |= {key: facts[key] for key in ("max_jobs", "max_jobs_per_user") if key in facts}
    if "hours" in facts:
        begin, dash, end = facts["hours"].partition("-")
        if dash and begin.isdigit() and end.isdigit():
            limits["hours"] = [int(begin), int(end)]
        else:
            mistakes.append(f"{where}: --hours {facts['hours']}: expected FROM-TO, such as 18-6")
    return limits


def _typed(
    fields: dict[str, Any], key: str, value: Any, kind: type, where: str, mistakes: list[str]
) -> None:
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        fields[key] = value
        if kind is int and fields[key] < 0:
            mistakes.append(f"{where}: {key} = {value}: expected 0 or more")
    else:
        words = {str: "a text", int: "a whole number", bool: "true or false"}
        mistakes.append(f"{where}: {key} = {value!r}: expected {words[kind]}")


def _check_transport(transport: str, where: str, mistakes: list[str]) -> None:
    try:
        parts = urlsplit(transport)
        good = transport in _HERE or (parts.scheme == "ssh" and parts.hostname and parts.port != 0)
    except ValueError:
        good = False
    if not good:
        mistakes.append(
            f"{where}: transport = {transport!r}: expected local, local+sudo or "
            "ssh://[user@]host[:port]"
        )


def _check_twice(fields: Mapping[str, Any], where: str, mistakes: list[str]) -> None:
    """A queue or a link that is there twice, and more than one default queue."""
    queues, links = fields.get("queues", ()), fields.get("links", ())
    names = [("queue", queue.name) for queue in queues]
    names += [("link to", link.hostname or "everywhere") for link in links]
    for kind, name in dict.fromkeys(item for item in names if names.count(item) > 1):
        mistakes.append(f"{where}: {kind} {name} is there more than once")
    if sum(queue.default for queue in queues) > 1:
        mistakes.append(f"{where}: more than one queue is the default")


def _items(key: str, value: Any, where: str, mistakes: list[str]) -> tuple[Any, ...]:
    record, kinds = _LISTS[key]
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        mistakes.append(f"{where}: {key}: expected tables [[cluster.NAME.{key}]]")
        return ()
    found = []
    for item in value:
        before, fields = len(mistakes), dict[str, Any]()
        for part, content in item.items():
            if part not in kinds:
                mistakes.append(f"{where}: {key}: there is no {part!r}; known: {', '.join(kinds)}")
            else:
                _typed(fields, part, content, kinds[part], f"{where}: {key}", mistakes)
        if "name" in kinds and "name" not in item:
            mistakes.append(f"{where}: {key}: name is missing")
        if len(mistakes) == before:
            found.append(record(**fields))
    return tuple(found)


def _limits(value: Any, where: str, mistakes: list[str]) -> OwnerLimits:
    if not isinstance(value, Mapping):
        mistakes.append(f"{where}: limits: expected a table")
        return OwnerLimits()
    fields: dict[str, Any] = {}
    for key, content in value.items():
        if key in ("users", "denied_users", "projects"):
            if isinstance(content, list) and all(isinstance(item, str) for item in content):
                fields[key] = frozenset(content)
            else:
                mistakes.append(f"{where}: limits.{key} = {content!r}: expected a list of names")
        elif key in ("max_jobs", "max_jobs_per_user"):
            _typed(fields, key, content, int, f"{where}: limits", mistakes)
        elif key == "hours":
            if _hours(content):
                fields[key] = tuple(content)
            else:
                mistakes.append(
                    f"{where}: limits.hours = {content!r}: expected two hours UTC, such as [18, 6]"
                )
        else:
            mistakes.append(f"{where}: limits has no {key!r}; known: {', '.join(_LIMITS)}")
    return OwnerLimits(**fields)


def _hours(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(hour, int) and 0 <= hour <= 24 for hour in value)
    )


def _options(value: Any, where: str, mistakes: list[str]) -> dict[str, str]:
    if isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values()):
        return {str(key): item for key, item in value.items()}
    mistakes.append(f"{where}: options: expected a table of texts")
    return {}
