"""One file and ``GRMS_*`` variables become frozen Settings; nothing else reads the environment.

``docs/reference/settings.md`` lists every setting; a test holds the two together.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from grms.errors import ConfigError

#: What some settings may be.
_CHOICES = {
    "migrate_policy": ("", "better-off"),
    "checkpoint_overdue": ("go-on", "last-checkpoint"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a site can set. Times in seconds, sizes in bytes unless said otherwise."""

    #: Where the broker keeps its database, its spool and its local jobs.
    data_dir: Path = Path("/var/lib/grms")
    #: SQLAlchemy URL of the database; empty: SQLite in ``data_dir``.
    database: str = ""
    #: Address and port that the service listens on; port 0 takes a free one.
    host: str = "127.0.0.1"
    port: int = 8080
    #: Callers without credentials act under this name; empty: they are refused.
    anonymous: str = ""
    #: Header with the caller's distinguished name, set by a TLS proxy in front; empty: none.
    proxy_dn_header: str = ""
    #: Directories under which ``file:`` URLs may lie.
    file_roots: tuple[Path, ...] = ()
    #: A TOML file that declares clusters; empty: only those added with ``cluster add``.
    clusters_file: str = ""
    #: How many local jobs may run at once on the embedded cluster; 0: twice the processors.
    local_jobs: int = 0
    #: How fitting clusters are ranked: a name of entry point group ``grms.policies``.
    policy: str = "balanced"
    #: The largest request body taken.
    max_body: int = 4_000_000
    #: Threads that move files and drive batch systems.
    workers: int = 8
    #: How long an engine's claim on a job holds without a sign of life.
    lease: float = 60.0
    #: Pause between two looks into the inbox of a cluster with live jobs.
    news_interval: float = 0.5
    #: Calls to one batch system and account a minute, at most.
    calls_per_minute: int = 6
    #: How long a submitted job may be missing everywhere before it counts as lost.
    lost_after: float = 900.0
    #: Transient failures of one step before the job is parked.
    max_tries: int = 8
    #: Attempts of one job before it is parked.
    max_attempts: int = 5
    #: How long a job may take to write a checkpoint that it was asked for.
    checkpoint_deadline: float = 60.0
    #: What becomes of one that did not: "go-on", or "last-checkpoint" to leave without a new one.
    checkpoint_overdue: str = "go-on"
    #: Runs in a row that end with 85 unasked, the checkpoint unchanged, before the job is parked.
    max_unchanged: int = 3
    #: Runs of one job in all that end as checkpointed, after which one that ends unasked parks it.
    max_reruns: int = 1000
    #: The broker's own URL as the hosts see it that run jobs; empty: jobs speak by files alone.
    job_address: str = ""
    #: "better-off" moves checkpointable jobs by itself to where they end clearly sooner; "": never.
    migrate_policy: str = ""
    #: Pause between two looks of that policy.
    migrate_interval: float = 120.0
    #: How long that policy leaves a job where it started.
    migrate_min_stay: float = 600.0
    #: Moves of one job a day by that policy, at most.
    migrate_moves_a_day: int = 3
    #: Pause between two probes of a cluster.
    probe_interval: float = 60.0
    #: Log records at or above this level: DEBUG, INFO, WARNING, ERROR.
    log_level: str = "INFO"

    @property
    def database_url(self) -> str:
        """The URL to give to SQLAlchemy."""
        return self.database or f"sqlite:///{self.data_dir / 'grms.db'}"

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints are kept that jobs are to go on from."""
        return self.data_dir / "checkpoints"

    @property
    def spool(self) -> Path:
        """Where files wait between a URL and a cluster that shares no file system with us."""
        return self.data_dir / "spool"


def load(
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    **overrides: Any,
) -> Settings:
    """Settings from ``file`` (TOML), then ``GRMS_<NAME>`` variables, then ``overrides``.

    Raises ConfigError naming every unknown or ill-typed setting at once, with its place.
    """
    environ = os.environ if environ is None else environ
    named = environ.get("GRMS_CONFIG", "")
    file = file or (Path(named) if named else None)
    mistakes: list[str] = []
    values: dict[str, Any] = {}
    hints = get_type_hints(Settings)
    names = {field.name for field in fields(Settings)}
    for name, raw in _read(file).items() if file else ():
        if name not in names:
            mistakes.append(
                f"{file}: there is no setting {name!r}; known: {', '.join(sorted(names))}"
            )
        else:
            _take(values, name, raw, hints[name], f"{file}: {name}", mistakes)
    for name in sorted(names):
        variable = f"GRMS_{name.upper()}"
        if variable in environ:
            _take(values, name, environ[variable], hints[name], variable, mistakes)
    values |= {name: value for name, value in overrides.items() if value is not None}
    for name, choices in _CHOICES.items():
        if values.get(name, choices[0]) not in choices:
            known = " or ".join(map(repr, choices))
            mistakes.append(f"{name} = {values[name]!r}: expected {known}")
    address = values.get("job_address", "")
    if address and not re.match(r"https?://[^/?#]+(/[^?#]*)?$", address):
        mistakes.append(f"job_address = {address!r}: expected http://HOST[:PORT][/PATH], or https:")
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return Settings(**values)


def environment(settings: Settings) -> dict[str, str]:
    """The variables from which ``load`` makes the same settings again, in another process."""
    found = {"GRMS_CONFIG": ""}
    for field in fields(Settings):
        value = getattr(settings, field.name)
        text = os.pathsep.join(map(str, value)) if isinstance(value, tuple) else str(value)
        found[f"GRMS_{field.name.upper()}"] = text
    return found


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from error


def _take(
    values: dict[str, Any], name: str, raw: Any, hint: Any, place: str, mistakes: list[str]
) -> None:
    try:
        values[name] = _convert(raw, hint)
    except (TypeError, ValueError):
        wanted = {int: "a whole number", float: "a number", Path: "a path"}.get(hint, str(hint))
        mistakes.append(f"{place} = {raw!r}: expected {wanted}")


def _convert(raw: Any, hint: Any) -> Any:
    if hint == tuple[Path, ...]:
        parts = raw.split(os.pathsep) if isinstance(raw, str) else raw
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            raise TypeError(raw)
        return tuple(Path(part) for part in parts if part)
    if isinstance(raw, bool) or (hint is str and not isinstance(raw, str)):
        raise TypeError(raw)
    if hint is int and isinstance(raw, float):
        raise TypeError(raw)
    return hint(raw)
