"""Requests to a running job's wrapper, through files: for what its batch system cannot do."""

from __future__ import annotations

import json
from collections.abc import Mapping

from grms.broker.checkpointing import Answer, read_answer
from grms.broker.edges import Edges
from grms.broker.layout import request
from grms.broker.ports.sites import Site
from grms.broker.records import Attempt, Json

#: Seconds until the answer is looked for again.
LOOK = 0.5
_SLACK = 60.0


def ask(
    edges: Edges, site: Site, attempt: Attempt, name: str, what: Mapping[str, Json]
) -> Answer | None:
    """Ask once, however often this is called with the same name; None until there is an answer.

    A wrapper that says nothing for the deadline and a minute more has refused.
    """
    asked, done = (request(attempt.directory, f"{name}.{end}") for end in ("json", "done"))
    files = site.transport.read([asked, done])
    if done in files:
        return read_answer(files[done])
    now, deadline = edges.now().timestamp(), edges.settings.checkpoint_deadline
    if asked not in files:
        facts = {"at": now, "deadline": deadline, **what}
        site.transport.write({asked: json.dumps(facts).encode()})
        return None
    patience = deadline + _SLACK
    if now - float(json.loads(files[asked])["at"]) <= patience:
        return None
    site.transport.remove([asked])
    return Answer(False, f"its wrapper has not answered for {patience:.0f} s")


def was_asked(site: Site, attempt: Attempt, name: str) -> bool:
    """True when this request was written already."""
    path = request(attempt.directory, f"{name}.json")
    return path in site.transport.read([path])
