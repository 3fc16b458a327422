"""What a job says of itself from inside, with ``grms-job``: through its inbox, or over HTTP."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from grms.broker.access import token_digest
from grms.broker.draft import Draft
from grms.broker.evidence import News, read_news
from grms.broker.names import safe_name
from grms.broker.ports.clock import Clock
from grms.broker.ports.staging import Stager
from grms.broker.ports.store import Store
from grms.broker.records import (
    ON_RESOURCE,
    ApplicationAccess,
    Attempt,
    FileDir,
    FileRole,
    Job,
    Phase,
)
from grms.errors import AccessError, ErrorCode, RequestError, StagingError, StateError

#: How many ids of messages are kept: one that comes by both ways comes within as many.
_KEPT = 64


class _RefusedError(Exception):
    """The job may not have what it asks for; the text is for its story and for itself."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message: what is to be written down (None: nothing), and the answer to the job."""

    draft: Draft | None
    text: str
    refused: bool = False


class Ears:
    """Hears what jobs say, whichever way it comes; the same message counts once."""

    def __init__(self, store: Store, stager: Stager, clock: Clock) -> None:
        self._store = store
        self._stager = stager
        self._clock = clock

    def hear(self, job: Job, attempt: Attempt, news: News) -> Heard:
        """Carry out one message; the draft is still to be applied."""
        if job.state.is_end or attempt.number != job.attempt:
            return Heard(None, "nothing is heard of it any more", refused=True)
        facts = news.told
        name = str(facts.get("id", ""))
        if name and name in attempt.heard:
            return Heard(None, "it was heard already")
        action = _VERBS.get(str(facts.get("verb")))
        if action is None:
            return Heard(None, f"the verb {facts.get('verb')!r} is not known here", refused=True)
        draft, refused = Draft(job, self._clock.now()).set(due_at=job.due_at), False
        try:
            text = action(self, job, facts)
        except (KeyError, TypeError, ValueError, _RefusedError) as error:
            refused, text = True, str(error)
            if not isinstance(error, _RefusedError):
                text = f"the job said {facts.get('verb')}, which makes no sense: {error}"
        if name:
            draft.attempt(replace(attempt, heard=(*attempt.heard, name)[-_KEPT:]))
        if facts["verb"] == "progress" and not refused:
            return Heard(draft.progress(text[:200]), "noted")
        return Heard(draft.note(text), text, refused)

    def listen(self, job_id: str, token: str, message: bytes) -> str:
        """Take in a message that came over HTTP; the answer is for the job.

        Raises AccessError for a token that is not good for this run of this job, or no more;
        StateError where the message comes too early; RequestError where it is refused.
        """
        news = read_news(message)
        if news is None or news.what != "told":
            raise RequestError("this is no message of grms-job")
        while True:
            self._admit(job_id, token, news.tag)
            # The job first: the attempt is written under the guard of the job's version.
            job, attempt = self._store.job(job_id), self._store.attempt_by_tag(news.tag)
            if attempt is None or _is_over(job, attempt):
                raise AccessError(f"this run of job {job_id} is over: its token is good no more")
            if attempt.phase is Phase.SUBMITTING:
                raise StateError(f"job {job_id} speaks before its submission is written down")
            heard = self.hear(job, attempt, news)
            if heard.draft is None or self._store.apply([heard.draft.change()])[0] is not None:
                break
        if heard.refused:
            raise RequestError(heard.text)
        return heard.text

    def _admit(self, job_id: str, token: str, tag: str) -> None:
        attempt = self._store.attempt_by_tag(tag)
        good = attempt.token_sha256 if attempt and attempt.job_id == job_id else ""
        if not good or not hmac.compare_digest(token_digest(token), good):
            text = "the token is not good for this job"
            raise AccessError(text, code=ErrorCode.NOT_AUTHENTICATED)

    # -- the verbs ----------------------------------------------------------------------------

    def _progress(self, _job: Job, facts: Mapping[str, Any]) -> str:
        return str(facts["text"])

    def _register(self, job: Job, facts: Mapping[str, Any]) -> str:
        url = str(facts["url"])
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r} is not an http or https URL")
        self._store.set_access(job.id, ApplicationAccess(url, int(facts["pid"])))
        return f"the job takes checkpoint calls at {url}"

    def _unregister(self, job: Job, _facts: Mapping[str, Any]) -> str:
        self._store.set_access(job.id, None)
        return "the job takes no checkpoint calls any more"

    def _add(self, job: Job, facts: Mapping[str, Any]) -> str:
        role, item = _file(facts)
        if not safe_name(item.name):
            raise _RefusedError(
                f"{item.name!r} was not added: it is not a name inside the job's directory"
            )
        try:
            if item.path or role is FileRole.OUTPUT:
                self._stager.check(item.path, writing=True)
        except StagingError as error:
            raise _RefusedError(f"{item.name} was not added: {error.message}") from error
        self._store.add_files(job.id, role, [item])
        return f"the job added {item.name} to its {role.value} files"

    def _delete(self, job: Job, facts: Mapping[str, Any]) -> str:
        role, item = _file(facts)
        self._store.delete_files(job.id, role, [item])
        return f"the job took {item.name} out of its {role.value} files"

    def _ways(self, _job: Job, facts: Mapping[str, Any]) -> str:
        return f"the job says how it is checkpointed: {facts['ways']}"


def _is_over(job: Job, attempt: Attempt) -> bool:
    newest = attempt.number == job.attempt and not job.state.is_end
    return not newest or attempt.phase not in ON_RESOURCE


def _file(facts: Mapping[str, Any]) -> tuple[FileRole, FileDir]:
    item = FileDir(str(facts["name"]), str(facts["url"]), directory=facts["directory"] is True)
    return FileRole(facts["role"]), item


_VERBS: dict[str, Callable[[Ears, Job, Mapping[str, Any]], str]] = {
    "progress": Ears._progress,
    "register": Ears._register,
    "unregister": Ears._unregister,
    "add": Ears._add,
    "delete": Ears._delete,
    "ways": Ears._ways,
}
