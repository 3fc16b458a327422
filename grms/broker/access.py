"""Who may do what: one rule for each verb, and the reason where it says no.

And what is kept of the tokens by which callers and jobs are known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from grms.broker.records import Job, Principal
from grms.errors import AccessError

Rule = Callable[[Principal, Job | None], str]


def _anybody(_caller: Principal, _job: Job | None) -> str:
    return ""


def _owner(caller: Principal, job: Job | None) -> str:
    if job is None or job.owner == caller.name or caller.admin:
        return ""
    return f"job {job.id} belongs to somebody else"


def _project_member(caller: Principal, job: Job | None) -> str:
    if job is not None and job.project and job.project in caller.projects:
        return ""
    return _owner(caller, job)


def _admin(caller: Principal, _job: Job | None) -> str:
    return "" if caller.admin else "only an administrator may do this"


#: Every verb of the service has its rule here; a test walks the service and compares.
RULES: dict[str, Rule] = {
    "submit": _anybody,
    "test": _anybody,
    "list": _anybody,
    "list_project": _anybody,
    "list_all": _anybody,  # ids only, as in the historical contract
    "find_resources": _anybody,
    "explain": _anybody,
    "describe": _anybody,
    "explain_job": _project_member,
    "info": _project_member,
    "history": _project_member,
    "events": _project_member,
    "files": _project_member,
    "notifications": _owner,
    "notification": _owner,
    "application": _owner,
    "cancel": _owner,
    "suspend": _owner,
    "resume": _owner,
    "migrate": _owner,
    "register_application": _owner,
    "unregister_application": _owner,
    "add_files": _owner,
    "delete_files": _owner,
    "register_notification": _owner,
    "unregister_notification": _owner,
    "parked": _admin,
    "release": _admin,
}


def may(caller: Principal, verb: str, job: Job | None = None) -> str:
    """ "" when ``caller`` may do ``verb`` (to ``job``), else the reason why not."""
    return RULES[verb](caller, job)


def demand(caller: Principal, verb: str, job: Job | None = None) -> None:
    """Raises AccessError with the reason where ``may`` says no."""
    reason = may(caller, verb, job)
    if reason:
        raise AccessError(f"{caller.name} may not {verb.replace('_', ' ')}: {reason}")


def token_digest(token: str) -> str:
    """What the store keeps of a token, a caller's or a job's: the SHA-256, in hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
