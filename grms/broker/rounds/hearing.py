"""What a job says of itself from inside, with ``grms-job``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from grms.broker.draft import Draft
from grms.broker.edges import Edges
from grms.broker.evidence import News
from grms.broker.names import safe_name
from grms.broker.records import ApplicationAccess, Attempt, FileDir, FileRole, Job
from grms.errors import StagingError


def hear(edges: Edges, job: Job, attempt: Attempt, news: News) -> Draft | None:
    """Carry out one message; hearing it twice changes nothing. None: nothing to write down."""
    if job.state.is_end or attempt.number != job.attempt:
        return None
    facts = news.told
    action = _VERBS.get(str(facts.get("verb")))
    if action is None:
        return None
    try:
        text = action(edges, job, facts)
    except (KeyError, TypeError, ValueError) as error:
        text = f"the job said {facts.get('verb')}, which makes no sense: {error}"
    draft = Draft(job, edges.now()).set(due_at=job.due_at)
    if facts["verb"] == "progress":
        return draft.progress(str(facts.get("text", ""))[:200])
    return draft.note(text)


def _progress(_edges: Edges, _job: Job, facts: Mapping[str, Any]) -> str:
    return str(facts["text"])


def _register(edges: Edges, job: Job, facts: Mapping[str, Any]) -> str:
    url = str(facts["url"])
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url!r} is not an http or https URL")
    edges.store.set_access(job.id, ApplicationAccess(url, int(facts["pid"])))
    return f"the job takes checkpoint calls at {url}"


def _unregister(edges: Edges, job: Job, _facts: Mapping[str, Any]) -> str:
    edges.store.set_access(job.id, None)
    return "the job takes no checkpoint calls any more"


def _file(facts: Mapping[str, Any]) -> tuple[FileRole, FileDir]:
    item = FileDir(str(facts["name"]), str(facts["url"]), directory=facts["directory"] is True)
    return FileRole(facts["role"]), item


def _add(edges: Edges, job: Job, facts: Mapping[str, Any]) -> str:
    role, item = _file(facts)
    if not safe_name(item.name):
        return f"{item.name!r} was not added: it is not a name inside the job's directory"
    try:
        if item.path or role is FileRole.OUTPUT:
            edges.stager.check(item.path, writing=True)
    except StagingError as error:
        return f"{item.name} was not added: {error.message}"
    edges.store.add_files(job.id, role, [item])
    return f"the job added {item.name} to its {role.value} files"


def _delete(edges: Edges, job: Job, facts: Mapping[str, Any]) -> str:
    role, item = _file(facts)
    edges.store.delete_files(job.id, role, [item])
    return f"the job took {item.name} out of its {role.value} files"


def _ways(_edges: Edges, _job: Job, facts: Mapping[str, Any]) -> str:
    return f"the job says how it is checkpointed: {facts['ways']}"


_VERBS: dict[str, Callable[[Edges, Job, Mapping[str, Any]], str]] = {
    "progress": _progress,
    "register": _register,
    "unregister": _unregister,
    "add": _add,
    "delete": _delete,
    "ways": _ways,
}
