"""Between the beans of the SOAP contract and the values of the client; pure."""

from __future__ import annotations

from collections.abc import Sequence

from grms.client import model
from grms.client.errors import BadAnswerError
from grms.client.soap import Array, Part, Struct, Value, boolean, string, word


def job_info(job_id: str, part: Part) -> model.JobInfo:
    """A ``jobInformation``. Raises BadAnswerError for a state that is not one of the ten."""
    state = part.string("jobStatus").strip()
    if state not in model.STATES:
        raise BadAnswerError(f"the broker reports the state {state!r}, which is none of the ten")
    length, last = part.number("historyLength"), part.get("lastHistory")
    return model.JobInfo(
        job_id=job_id,
        state=state,
        project=part.string("project"),
        user_dn=part.string("userDn"),
        submission_time=part.time("submissionTime"),
        finish_time=part.time("finishTime"),
        request_status=part.string("requestStatus"),
        req_num_status=part.number("reqNumStatus"),
        error_description=part.string("errorDescription"),
        # Brokers send an empty entry before the first run, because old clients need one.
        last_history=history_entry(last) if last and length else None,
        history_length=length,
    )


def history_entry(part: Part) -> model.HistoryEntry:
    """A ``jobHistory``."""
    return model.HistoryEntry(
        host_name=part.string("hostName"),
        start_time=part.time("startTime"),
        local_submission_time=part.time("localSubmissionTime"),
        local_start_time=part.time("localStartTime"),
        local_finish_time=part.time("localFinishTime"),
        job_description=part.string("jobDescription"),
        application_access=part.string("applicationAccess"),
    )


def file_dir(part: Part) -> model.FileDir:
    """A ``FileDir``."""
    return model.FileDir(
        name=part.string("name"),
        path=part.string("path"),
        logical=part.string("urltype").strip() == "LOGICAL",
        directory=part.string("pathtype").strip() == "DIRECTORY",
    )


def file_dirs(items: Sequence[model.FileDir]) -> Array:
    """An ``ArrayOfFileDir``."""
    return Array("ns1:FileDir", tuple(_file_dir(item) for item in items))


def _file_dir(item: model.FileDir) -> Struct:
    fields: tuple[tuple[str, Value], ...] = (
        ("name", string(item.name)),
        ("path", string(item.path)),
        ("urltype", word("UrlType", item.urltype)),
        ("pathtype", word("PathType", item.pathtype)),
    )
    return Struct("ns1:FileDir", fields)


def item_results(
    items: Sequence[model.FileDir], results: Sequence[Part], errors: int
) -> tuple[model.ItemResult, ...]:
    """One result per item. Raises BadAnswerError when the answer's parts contradict each other."""
    if len(results) != len(items):
        raise BadAnswerError(f"{len(items)} items were sent, {len(results)} results came back")
    verdicts = tuple(
        model.ItemResult(item, part.number("errorCode"), part.string("errorMessage"))
        for item, part in zip(items, results, strict=True)
    )
    counted = sum(1 for verdict in verdicts if verdict.error_code)
    if counted != errors:
        raise BadAnswerError(f"the answer counts {errors} errors but lists {counted}")
    return verdicts


def listener(part: Part) -> model.Listener:
    """A ``NotificationRequest`` in either form."""
    forward = part.string("notificationType").strip()
    event = part.string("eventType").strip()
    if forward:
        users = tuple(item.text for item in part.children("users"))
        return model.Listener(event, forward, part.string("listener"), users=users)
    return model.Listener(
        event_type=event,
        protocol=part.string("protocol").strip(),
        destination=part.string("destination"),
        append=part.string("append").strip() in ("true", "1"),
        format=part.string("format"),
    )


def registration(
    job_id: str, listener: model.Listener, client: str
) -> tuple[tuple[str, Value], ...]:
    """The parts of ``registerNotification``, in the 1.9.0 form for PROFILE, SMS and MAIL."""
    event = ("eventType", word("EventType", listener.event_type))
    if listener.protocol in model.FORWARDS:
        old: tuple[tuple[str, Value], ...] = (
            ("jobId", string(job_id)),
            event,
            ("notificationType", word("NotificationType", listener.protocol)),
            ("listener", string(listener.destination or None)),
            *(("users", string(user)) for user in listener.users),
        )
        return ("client", string(client)), ("request", Struct("ns1:NotificationRequest", old))
    new: tuple[tuple[str, Value], ...] = (
        event,
        ("protocol", word("ProtocolType", listener.protocol)),
        ("destination", string(listener.destination)),
        ("append", boolean(listener.append)),
        ("format", string(listener.format or None)),
    )
    return ("jobId", string(job_id)), ("request", Struct("ns1:NotificationRequest", new))
