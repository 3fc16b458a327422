"""The JSON resources of a broker, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from grms.client.errors import BadAnswerError
from grms.client.model import Event, Proof, Refusal, Verdict


def read_verdicts(answer: Mapping[str, Any]) -> tuple[Verdict, ...]:
    """The verdicts of an answer, in its order. Raises BadAnswerError."""
    try:
        return tuple(_verdict(item) for item in answer["clusters"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadAnswerError(f"the broker's verdicts cannot be read: {error!r}") from error


def read_events(answer: Mapping[str, Any]) -> tuple[Event, ...]:
    """The events of an answer, in its order. Raises BadAnswerError."""
    try:
        return tuple(
            Event(
                number=int(item["number"]),
                kind=str(item["kind"]),
                at=datetime.fromisoformat(item["at"]),
                text=str(item["text"]),
                data=dict(item["data"]),
            )
            for item in answer["events"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadAnswerError(f"the broker's events cannot be read: {error!r}") from error


def proofs(story: Sequence[Event]) -> tuple[Proof, ...]:
    """The evidence in a story, each with the time at which it was stored."""
    return tuple(
        Proof(str(event.data.get("source", "")), event.at, event.text)
        for event in story
        if event.kind == "evidence"
    )


def _verdict(item: Mapping[str, Any]) -> Verdict:
    return Verdict(
        cluster=str(item["cluster"]),
        contact=str(item["contact"]),
        fits=bool(item["fits"]),
        may_fit_later=bool(item["mayFitLater"]),
        alternative=int(item["alternative"]),
        queue=str(item["queue"]),
        refusals=tuple(
            Refusal(
                requirement=str(refusal["requirement"]),
                wanted=str(refusal["wanted"]),
                has=str(refusal["has"]),
                change=str(refusal["change"]),
                lasting=bool(refusal["lasting"]),
                text=str(refusal["text"]),
            )
            for refusal in item["refusals"]
        ),
    )
