"""``grms-server export``: a job's whole story in one JSON value, fit for a bug report."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from grms import __version__
from grms.broker.layout import control
from grms.broker.ports.store import Store
from grms.broker.records import Attempt, FileRole, Json, Phase
from grms.config import Settings
from grms.errors import GrmsError
from grms.server.redact import redact_text, redacted
from grms.server.wiring import SiteBook

#: The form of the exported value; it grows when a key changes its meaning.
FORM = 1
#: What is fetched of an attempt's control directory, and how many bytes of each.
CONTROL_FILES = (
    "spec.json", "job.sh", "started", "started.json", "exit.json", "alive", "held", "suspended",
    "revoked", "wrapper.log",
)  # fmt: skip
LONGEST = 64_000
_PACKAGES = ("sqlalchemy", "alembic", "apscheduler", "lxml", "paramiko", "spyne", "uvicorn")


def story(settings: Settings, store: Store, sites: SiteBook, job_id: str) -> dict[str, Json]:
    """Everything known of a job, secrets replaced. Raises RequestError(UNKNOWN_JOB)."""
    job = store.job(job_id)
    attempts = store.attempts(job_id)
    used = {attempt.cluster for attempt in attempts}
    clusters = [cluster for cluster in store.clusters() if cluster.name in used]
    roles = {role.value: redacted(store.files(job_id, role)) for role in FileRole}
    return {
        "form": FORM,
        "exported_at": datetime.now(UTC).isoformat(),
        "versions": versions(),
        "settings": redacted(settings),
        "job": redacted(job),
        "attempts": redacted(attempts),
        "events": redacted(store.events(job_id)),
        "wishes": redacted(store.wishes([job_id], open_only=False)),
        "files": dict(roles),
        "application": redacted(store.access(job_id)),
        "notifications": redacted(store.notifications(job_id)),
        "clusters": redacted(clusters),
        "measured": redacted([m for m in store.measured() if m.cluster in used]),
        "control": {
            str(attempt.number): _control(store, sites, attempt)
            for attempt in attempts
            if attempt.phase is not Phase.OVER
        },
    }


def versions() -> dict[str, Json]:
    """Our version, and those of what we stand on."""
    found: dict[str, Json] = {"grms": __version__, "python": platform.python_version()}
    found["system"] = platform.platform()
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def _control(store: Store, sites: SiteBook, attempt: Attempt) -> dict[str, Json]:
    """The files of a control directory; one entry ``unreachable`` where they cannot be had."""
    known = {cluster.name: cluster for cluster in store.clusters()}
    if attempt.cluster not in known:
        return {"unreachable": f"cluster {attempt.cluster} is not registered any more"}
    place = control(attempt.directory)
    try:
        site = sites.site(known[attempt.cluster], attempt.account)
        files = site.transport.read([f"{place}/{name}" for name in CONTROL_FILES])
    except GrmsError as error:
        return {"unreachable": redact_text(error.message)}
    return control_files(files)


def control_files(files: Mapping[str, bytes]) -> dict[str, Json]:
    """By name: parsed where they are JSON, else their text; secrets replaced."""
    found: dict[str, Json] = {}
    for path, content in files.items():
        name = path.rsplit("/", 1)[-1]
        text = content[:LONGEST].decode("utf-8", "backslashreplace")
        try:
            found[name] = redacted(json.loads(text))
        except ValueError:
            found[name] = redact_text(text)
    return found
