"""How answers look: aligned text for people, JSON for programs; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

import click

from grms.client.errors import RefusedError, UnreachableError
from grms.client.model import Event, HistoryEntry, JobInfo, Proof, Verdict
from grms.errors import GrmsError

_COLOURS = {
    "RUNNING": "cyan",
    "FINISHED": "green",
    "FAILED": "red",
    "CANCELED": "yellow",
    "SUSPENDED": "yellow",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """Foreign text made safe for a terminal: control characters become question marks."""
    return _CONTROL.sub("?", text.replace("\r\n", "\n"))


def stamp(moment: datetime | None) -> str:
    """A time in UTC to the second, "-" for none."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else "-"


def paint(state: str, text: str, colour: bool) -> str:
    """``text`` in the colour of a state, if colours are wanted."""
    return click.style(text, fg=_COLOURS.get(state)) if colour and state in _COLOURS else text


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines with aligned columns, two blanks between them."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return [line.rstrip() for line in lines]


def pairs(values: Mapping[str, str]) -> list[str]:
    """``Name:  value`` lines, the values aligned; further lines of a value are indented."""
    width = max(map(len, values)) + 3
    return [
        f"{name + ':':<{width}}" + clean(value).rstrip("\n").replace("\n", "\n" + " " * width)
        for name, value in values.items()
    ]


def plain(value: Any) -> Any:
    """A value as JSON knows it: dataclasses become objects with camelCase names, times ISO 8601."""
    if is_dataclass(value) and not isinstance(value, type):
        return {_camel(f.name): plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [plain(inner) for inner in value]
    return value


def to_json(value: Any) -> str:
    """One line of JSON."""
    return json.dumps(plain(value), ensure_ascii=False)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def info_lines(info: JobInfo, colour: bool) -> list[str]:
    """A job for people."""
    last = info.last_history
    values = {
        "Job": info.job_id,
        "Status": info.state,
        "Step": f"{info.request_status} ({info.req_num_status})",
        "Owner": info.user_dn,
        "Project": info.project or "-",
        "Submitted": stamp(info.submission_time),
        "Finished": stamp(info.finish_time),
        "Runs": str(info.history_length),
        "Host": (last.host_name if last else "") or "-",
        "Started": stamp(last.local_start_time if last else None),
    }
    if info.error_description:
        values["Error"] = info.error_description
    lines = pairs(values)
    lines[1] = lines[1].replace(info.state, paint(info.state, info.state, colour))
    return lines


def history_lines(entries: Sequence[HistoryEntry]) -> list[str]:
    """The runs of a job for people, oldest first."""
    head = ("RUN", "HOST", "PLACED", "SUBMITTED", "STARTED", "FINISHED")
    rows = (
        (
            str(number),
            clean(entry.host_name) or "-",
            stamp(entry.start_time),
            stamp(entry.local_submission_time),
            stamp(entry.local_start_time),
            stamp(entry.local_finish_time),
        )
        for number, entry in enumerate(entries, 1)
    )
    return table([head, *rows])


def verdict_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """What each cluster says: the best first; under each that does not fit, every reason."""
    lines = []
    for item in verdicts:
        words = "fits" if item.fits else "not now" if item.may_fit_later else "does not fit"
        notes = [f"queue {item.queue}"] if item.fits and item.queue else []
        notes += [f"resource {item.alternative + 1}"] if item.alternative else []
        told = f" ({', '.join(notes)})" if notes else ""
        lines.append(clean(f"{item.contact}: {words}{told}"))
        lines += [clean(f"  {refusal.text}") for refusal in item.refusals]
    return lines or ["no cluster is registered"]


def event_lines(events: Sequence[Event]) -> list[str]:
    """A job's story for people."""
    rows = [
        (str(event.number), stamp(event.at), clean(event.kind), " ".join(_told(event).split()))
        for event in events
    ]
    return table(rows) if rows else []


def proof_lines(proofs: Sequence[Proof]) -> list[str]:
    """What a job's state rests on, for people."""
    rows = [(stamp(proof.at), f"{clean(proof.source)}: {clean(proof.text)}") for proof in proofs]
    return ["Evidence:", *(f"  {line}" for line in table(rows))] if rows else []


def _told(event: Event) -> str:
    """The text of an event; for a state, the state in front of it, for a proof its source."""
    text, state = clean(event.text), event.data.get("to")
    if event.kind == "evidence" and isinstance(source := event.data.get("source"), str):
        return f"{clean(source)}: {text}"
    if event.kind != "state" or not isinstance(state, str) or state in text:
        return text
    return f"{clean(state)}: {text}"


def jobs_lines(jobs: Iterable[JobInfo], colour: bool) -> list[str]:
    """A list of jobs for people: id, state, times, host and application."""
    head = ("JOB", "STATE", "SUBMITTED", "FINISHED", "HOST", "APPLICATION")
    infos = list(jobs)
    lines = table([head, *map(_job_row, infos)])
    return [
        lines[0],
        *(
            re.sub(rf"(?<= ){info.state}(?= )", _painter(info.state, colour), line, count=1)
            for info, line in zip(infos, lines[1:], strict=True)
        ),
    ]


def _painter(state: str, colour: bool) -> Callable[[re.Match[str]], str]:
    return lambda match: paint(state, match[0], colour)


def _job_row(info: JobInfo) -> tuple[str, ...]:
    last = info.last_history
    return (
        clean(info.job_id),
        info.state,
        stamp(info.submission_time),
        stamp(info.finish_time),
        clean(last.host_name if last else "") or "-",
        clean(application(info.job_id)) or "-",
    )


def application(job_id: str) -> str:
    """The application's name in an id of the form ``<milliseconds>_<appid>_<number>``, or ""."""
    match = re.fullmatch(r"\d+_(.+)_\d+", job_id)
    return match[1] if match else ""


def status_lines(info: JobInfo) -> list[str]:
    """What ``job_info`` prints. Scripts take the third field of the one line with "Status"."""
    last = info.last_history
    others = {
        "UserDN": info.user_dn,
        "Submitted": stamp(info.submission_time),
        "Finished": stamp(info.finish_time),
        "Host": (last.host_name if last else "") or "-",
        "Error": " ".join(info.error_description.split()) or "-",
    }
    rest = [f"{name} = {_quiet(clean(value))}" for name, value in others.items()]
    return [f"Status = {info.state}", *rest]


def _quiet(text: str) -> str:
    return text.replace("Status", "status").replace("JobId", "jobId").replace("\n", " ")


def error_text(error: GrmsError) -> str:
    """An error for people; a refusal ends with its number and name."""
    text = clean(str(error))
    if isinstance(error, RefusedError):
        known = error.code.name if error.code == error.number else "not a code of this version"
        return f"{text} [error {error.number}, {known}]"
    return text


def error_object(error: GrmsError) -> dict[str, Any]:
    """An error for programs; ``code`` is null when no broker said it."""
    number = error.number if isinstance(error, RefusedError) else None
    unreachable = isinstance(error, UnreachableError)
    name = "UNREACHABLE" if unreachable else error.code.name
    return {"error": {"code": number, "name": name, "message": str(error)}}
