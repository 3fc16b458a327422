"""From an operation of the contract to a verb of the service, and back to its out parts.

Both SOAP faces call ``answer``. Values are plain: text, numbers, times, lists, and dictionaries
with the field names of ``grms.api.operations``.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grms.api.operations import INT, Array, Operation, Part
from grms.broker.lifecycle import JobState
from grms.broker.records import FileDir, FileRole, Notification, Principal
from grms.broker.service import Service
from grms.broker.views import AttemptInfo
from grms.errors import ErrorCode, GrmsError, RequestError

log = logging.getLogger(__name__)

Parts = Mapping[str, Any]
Outs = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """What a call brings besides its parts. ``key`` is its Idempotency-Key, "" for none."""

    service: Service
    caller: Principal
    key: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The out parts of a call that went well, or (with a code) well in part."""

    outs: Mapping[str, Any]
    code: ErrorCode = ErrorCode.OK
    message: str | None = None


def answer(call: Call, operation: Operation, parts: Parts) -> tuple[Outs, ErrorCode]:
    """Carry out one operation: every out part, and the code for the log.

    Errors become the GrmsResponse. They are raised (GrmsError) only by getServiceDescription,
    which has none.
    """
    try:
        _check_complete(operation, parts)
        reply = HANDLERS[operation.method](call, parts)
    except GrmsError as error:
        return failure(operation, error)
    except Exception:
        incident = secrets.token_hex(4)
        log.exception("incident %s in %s of %r", incident, operation.method, call.caller.name)
        return failure(operation, GrmsError(f"internal error; tell the operator: {incident}"))
    return _complete(operation, reply), reply.code


def failure(operation: Operation, error: GrmsError) -> tuple[Outs, ErrorCode]:
    """The out parts that tell ``error``; raises it where there is no room for that."""
    if not operation.has_response:
        raise error
    return _complete(operation, Reply({}, error.code, error.message)), error.code


def response(code: ErrorCode, message: str | None = None) -> Outs:
    """A GrmsResponse."""
    return {"errorCode": int(code), "errorMessage": message}


def _check_complete(operation: Operation, parts: Parts) -> None:
    missing = [p.name for p in operation.ins if not p.optional and parts.get(p.name) is None]
    if missing:
        raise RequestError(f"{operation.name} needs {', '.join(missing)}")


def _complete(operation: Operation, reply: Reply) -> Outs:
    """All out parts: ints are never nil and lists never missing, or old stubs die of them."""
    outs = {part.name: reply.outs.get(part.name, _empty(part)) for part in operation.outs}
    if operation.has_response:
        outs[operation.return_part] = response(reply.code, reply.message)
    return outs


def _empty(part: Part) -> Any:
    if isinstance(part.type, Array):
        return []
    return 0 if part.type is INT else None


def _submit(call: Call, parts: Parts) -> Reply:
    accepted = call.service.submit(call.caller, parts["jobDefinition"], key=call.key)
    return Reply({"jobId": accepted.job.id})


def _test(call: Call, parts: Parts) -> Reply:
    call.service.test(call.caller, parts["JobDescription"])
    return Reply({})


def _migrate(call: Call, parts: Parts) -> Reply:
    call.service.migrate(call.caller, parts["jobId"], parts.get("jobDefinition") or "")
    return Reply({})


def _suspend(call: Call, parts: Parts) -> Reply:
    call.service.suspend(call.caller, parts["jobId"], parts.get("jobDefinition") or "")
    return Reply({})


def _resume(call: Call, parts: Parts) -> Reply:
    call.service.resume(call.caller, parts["jobId"], parts.get("jobDefinition") or "")
    return Reply({})


def _cancel(call: Call, parts: Parts) -> Reply:
    call.service.cancel(call.caller, parts["jobId"])
    return Reply({})


def _state(parts: Parts) -> JobState | None:
    word = parts.get("status")
    return None if word is None else JobState(word)


def _list(call: Call, parts: Parts) -> Reply:
    return Reply({"jobsList": list(call.service.list(call.caller, _state(parts)))})


def _list_project(call: Call, parts: Parts) -> Reply:
    found = call.service.list_project(call.caller, parts["project"], _state(parts))
    return Reply({"jobsList": list(found)})


def _list_all(call: Call, parts: Parts) -> Reply:
    return Reply({"jobsList": list(call.service.list_all(call.caller, _state(parts)))})


def _info(call: Call, parts: Parts) -> Reply:
    """``lastHistory`` is never nil: JavaGAT reads its members without a test."""
    info = call.service.info(call.caller, parts["jobId"])
    job = info.job
    values = {
        "project": job.project or None,
        "userDn": job.owner,
        "jobStatus": job.state.value,
        "submissionTime": job.submitted_at,
        "finishTime": job.finished_at,
        "requestStatus": job.status.name,
        "reqNumStatus": int(job.status),
        "errorDescription": job.error or None,
        "lastHistory": _run(info.last) if info.last else _NO_RUN,
        "historyLength": info.length,
    }
    return Reply({"jobInfo": values})


def _history(call: Call, parts: Parts) -> Reply:
    runs = call.service.history(call.caller, parts["jobId"])
    return Reply({"history": [_run(run) for run in runs]})


_NO_RUN: Outs = {
    "hostName": None,
    "startTime": None,
    "localSubmissionTime": None,
    "localStartTime": None,
    "localFinishTime": None,
    "jobDescription": None,
    "applicationAccess": "",
}


def _run(run: AttemptInfo) -> Outs:
    """One attempt; ``startTime`` is when the broker began with it."""
    attempt = run.attempt
    return {
        "hostName": attempt.host or attempt.cluster,
        "startTime": attempt.created_at,
        "localSubmissionTime": attempt.submitted_at,
        "localStartTime": attempt.started_at,
        "localFinishTime": attempt.ended_at,
        "jobDescription": attempt.description,
        "applicationAccess": run.application,
    }


def _find_resources(call: Call, parts: Parts) -> Reply:
    found = call.service.find_resources(call.caller, parts["resourceDefinition"])
    return Reply({"resources": list(found)})


def _describe(call: Call, parts: Parts) -> Reply:
    text = call.service.describe(parts.get("type") == "FULL")
    return Reply({"getServiceDescriptionReturn": text})


def _register_access(call: Call, parts: Parts) -> Reply:
    where, pid = parts["service_location"], parts["pid"]
    call.service.register_application(call.caller, parts["jobId"], where, pid)
    return Reply({})


def _unregister_access(call: Call, parts: Parts) -> Reply:
    call.service.unregister_application(call.caller, parts["jobId"])
    return Reply({})


def _access(call: Call, parts: Parts) -> Reply:
    access = call.service.application(call.caller, parts["jobId"])
    return Reply({"service_location": access.service_location, "pid": access.pid})


def _register(
    call: Call, job_id: str, request: Parts, protocol: str, destination: str, users: Sequence[str]
) -> Reply:
    notification_id = call.service.register_notification(
        call.caller,
        job_id,
        event_type=request["eventType"] or "STATUS",
        protocol=protocol,
        destination=destination,
        append=bool(request.get("append")),
        format=request.get("format") or "",
        users=tuple(users),
    )
    outs = {"notificationId": notification_id}
    if call.service.delivers_notifications:
        return Reply(outs)
    text = f"notification {notification_id} is stored, but this service does not deliver any yet"
    return Reply(outs, ErrorCode.STORED_ONLY, text)


def _register_notification(call: Call, parts: Parts) -> Reply:
    request = parts["request"]
    _need(request, "protocol", "destination")
    protocol, destination = request["protocol"], request["destination"]
    return _register(call, parts["jobId"], request, protocol, destination, ())


def _register_notification_190(call: Call, parts: Parts) -> Reply:
    request = parts["request"]
    _need(request, "jobId", "notificationType")
    protocol, listener = request["notificationType"], request["listener"] or ""
    return _register(call, request["jobId"], request, protocol, listener, request["users"])


def _need(request: Parts, *names: str) -> None:
    missing = [f"request/{name}" for name in names if not request.get(name)]
    if missing:
        raise RequestError(f"registerNotification needs {', '.join(missing)}")


def _notifications(call: Call, parts: Parts) -> Reply:
    found = call.service.notifications(call.caller, parts["jobId"])
    return Reply({"notificationIds": [notification.id for notification in found]})


def _notification(call: Call, parts: Parts) -> Reply:
    """PROFILE, SMS and MAIL, which 1.9.6 has no word for, are answered as nil."""
    found: Notification = call.service.notification(
        call.caller, parts["jobId"], parts["notificationId"]
    )
    known = found.protocol in ("SOAP", "GASS", "SOCKET")
    values = {
        "eventType": found.event_type,
        "protocol": found.protocol if known else None,
        "destination": found.destination,
        "append": found.append,
        "format": found.format or None,
    }
    return Reply({"notificationRequest": values})


def _unregister_notification(call: Call, parts: Parts) -> Reply:
    call.service.unregister_notification(call.caller, parts.get("jobId"), parts["notificationId"])
    return Reply({})


def _add_files(role: FileRole) -> Handler:
    def handle(call: Call, parts: Parts) -> Reply:
        return _change_files(call.service.add_files, call.caller, role, parts)

    return handle


def _delete_files(role: FileRole) -> Handler:
    def handle(call: Call, parts: Parts) -> Reply:
        return _change_files(call.service.delete_files, call.caller, role, parts)

    return handle


def _change_files(verb: Any, caller: Principal, role: FileRole, parts: Parts) -> Reply:
    """One GrmsResponse for each item; the call's own code is that of the first refusal."""
    items = parts["items"]
    read = [_file_dir(item) for item in items]
    good = [item for item in read if isinstance(item, FileDir)]
    done = iter(verb(caller, parts["jobId"], role, good))
    errors = [next(done) if isinstance(item, FileDir) else item for item in read]
    outs = {
        "result": [response(e.code, e.message) if e else response(ErrorCode.OK) for e in errors],
        "errors": sum(error is not None for error in errors),
    }
    first = next((error for error in errors if error), None)
    if first is None:
        return Reply(outs)
    text = f"{outs['errors']} of {len(items)} items were refused; the first: {first.message}"
    return Reply(outs, first.code, text)


def _file_dir(item: Parts | None) -> FileDir | RequestError:
    """Absent kinds mean a file and a URL."""
    if not item or not item["name"] or not item["path"]:
        return RequestError("a FileDir needs both name and path")
    logical, directory = item["urltype"] == "LOGICAL", item["pathtype"] == "DIRECTORY"
    return FileDir(item["name"], item["path"], logical, directory)


def _files(role: FileRole) -> Handler:
    def handle(call: Call, parts: Parts) -> Reply:
        found = call.service.files(call.caller, parts["jobId"], role)
        return Reply({"items": [_item(entry) for entry in found]})

    return handle


def _item(entry: FileDir) -> Outs:
    return {
        "name": entry.name,
        "path": entry.path,
        "urltype": "LOGICAL" if entry.logical else "PHYSICAL",
        "pathtype": "DIRECTORY" if entry.directory else "FILE",
    }


Handler = Callable[[Call, Parts], Reply]

#: ``Operation.method`` -> what carries it out.
HANDLERS: dict[str, Handler] = {
    "submitJob": _submit,
    "migrateJobWithDefinition": _migrate,
    "migrateJob": _migrate,
    "suspendJobWithDefinition": _suspend,
    "suspendJob": _suspend,
    "resumeJobWithDefinition": _resume,
    "resumeJob": _resume,
    "getJobsList": _list,
    "getJobsListByStatus": _list,
    "getProjectJobsList": _list_project,
    "getProjectJobsListByStatus": _list_project,
    "getAllJobsList": _list_all,
    "registerApplicationAccess": _register_access,
    "unregisterApplicationAccess": _unregister_access,
    "getApplicationAccess": _access,
    "testJobDescription": _test,
    "getJobInfo": _info,
    "getJobHistory": _history,
    "findResources": _find_resources,
    "cancelJob": _cancel,
    "getServiceDescription": _describe,
    "registerNotification": _register_notification,
    "getNotificationsList": _notifications,
    "getNotificationInformation": _notification,
    "unregisterNotification": _unregister_notification,
    "addOutputFileDirs": _add_files(FileRole.OUTPUT),
    "getOutputFileDirs": _files(FileRole.OUTPUT),
    "deleteOutputFileDirs": _delete_files(FileRole.OUTPUT),
    "addCheckpointFileDirs": _add_files(FileRole.CHECKPOINT),
    "getCheckpointFileDirs": _files(FileRole.CHECKPOINT),
    "deleteCheckpointFileDirs": _delete_files(FileRole.CHECKPOINT),
    "addOutputFileDirs190": _add_files(FileRole.OUTPUT),
    "getOutputFileDirs190": _files(FileRole.OUTPUT),
    "deleteOutputFileDirs190": _delete_files(FileRole.OUTPUT),
    "registerNotification190": _register_notification_190,
    "unregisterNotification190": _unregister_notification,
}
