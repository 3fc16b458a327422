"""The historical contract as data: every operation, its ordered parts, and their types.

Names, order and types are those of the GRMS 1.9.6 WSDL (``OPERATIONS``, 31 with overloads) and of
1.9.0 where it differs (``LEGACY``). Everything else of the SOAP face is derived from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from grms.broker.lifecycle import JobState

NAMESPACE = "urn:grms"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A simple type of XML Schema; ``name`` without its prefix."""

    name: str


@dataclass(frozen=True, slots=True)
class Enumeration:
    """A closed set of words. ``aliases`` are other spellings that are understood on the way in."""

    name: str
    values: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Struct:
    """A record with ordered fields; every field may be nil on the way in."""

    name: str
    fields: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Array:
    """A list of ``item``; ``name`` is the type's name in the WSDL."""

    name: str
    item: Type


Type = Scalar | Enumeration | Struct | Array


@dataclass(frozen=True, slots=True)
class Part:
    """A named value: a part of a message or a field of a struct.

    ``many``: the element may be repeated (1.9.0's ``users``). ``optional``: a call is complete
    without it. ``nillable``: the WSDL promises that nil may come.
    """

    name: str
    type: Type
    many: bool = False
    optional: bool = False
    nillable: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation or overload. ``name`` is on the wire, ``method`` is unique among all."""

    name: str
    method: str
    ins: tuple[Part, ...]
    outs: tuple[Part, ...]
    doc: str

    @property
    def return_part(self) -> str:
        """The name of the part that says how the call went."""
        return f"{self.name}Return"

    @property
    def has_response(self) -> bool:
        """False for getServiceDescription, whose return is a plain string."""
        return any(part.type is GRMS_RESPONSE for part in self.outs)


STRING = Scalar("string")
INT = Scalar("int")
BOOLEAN = Scalar("boolean")
DATE_TIME = Scalar("dateTime")

JOB_STATUS = Enumeration("JobStatusType", tuple(state.value for state in JobState))
EVENT_TYPE = Enumeration("EventType", ("STATUS", "REQUEST"))
PROTOCOL_TYPE = Enumeration("ProtocolType", ("SOAP", "GASS", "SOCKET"))
NOTIFICATION_TYPE = Enumeration("NotificationType", ("PROFILE", "SMS", "MAIL"))
URL_TYPE = Enumeration("UrlType", ("PHYSICAL", "LOGICAL"), {"PHISICAL": "PHYSICAL"})
URL_TYPE_190 = Enumeration("UrlType", ("PHISICAL", "LOGICAL"), {"PHYSICAL": "PHISICAL"})
PATH_TYPE = Enumeration("PathType", ("FILE", "DIRECTORY"))
DESCRIPTION_TYPE = Enumeration("DescriptionType", ("SHORT", "FULL"))


def _text(name: str) -> Part:
    return Part(name, STRING, nillable=True)


GRMS_RESPONSE = Struct("GrmsResponse", (Part("errorCode", INT), _text("errorMessage")))
JOB_HISTORY = Struct(
    "jobHistory",
    (
        _text("hostName"),
        Part("startTime", DATE_TIME),
        Part("localSubmissionTime", DATE_TIME),
        Part("localStartTime", DATE_TIME),
        Part("localFinishTime", DATE_TIME),
        _text("jobDescription"),
        Part("applicationAccess", STRING),
    ),
)
JOB_INFORMATION = Struct(
    "jobInformation",
    (
        _text("project"),
        _text("userDn"),
        Part("jobStatus", JOB_STATUS, nillable=True),
        Part("submissionTime", DATE_TIME),
        Part("finishTime", DATE_TIME),
        _text("requestStatus"),
        Part("reqNumStatus", INT),
        _text("errorDescription"),
        Part("lastHistory", JOB_HISTORY, nillable=True),
        Part("historyLength", INT),
    ),
)
NOTIFICATION_REQUEST = Struct(
    "NotificationRequest",
    (
        Part("eventType", EVENT_TYPE),
        Part("protocol", PROTOCOL_TYPE),
        _text("destination"),
        Part("append", BOOLEAN),
        _text("format"),
    ),
)
NOTIFICATION_REQUEST_190 = Struct(
    "NotificationRequest",
    (
        _text("jobId"),
        Part("eventType", EVENT_TYPE),
        Part("notificationType", NOTIFICATION_TYPE),
        _text("listener"),
        Part("users", STRING, many=True, nillable=True),
    ),
)


def _file_dir(url_type: Enumeration) -> Struct:
    kinds = (Part("urltype", url_type), Part("pathtype", PATH_TYPE))
    return Struct("FileDir", (_text("name"), _text("path"), *kinds))


FILE_DIR = _file_dir(URL_TYPE)
FILE_DIR_190 = _file_dir(URL_TYPE_190)
STRINGS = Array("ArrayOf_xsd_string", STRING)
HISTORIES = Array("ArrayOfjobHistory", JOB_HISTORY)
RESPONSES = Array("ArrayOfGrmsResponse", GRMS_RESPONSE)
FILE_DIRS = Array("ArrayOfFileDir", FILE_DIR)
FILE_DIRS_190 = Array("ArrayOfFileDir", FILE_DIR_190)

#: The types that a WSDL has to define, each after those it is made of.
ENUMERATIONS = (JOB_STATUS, EVENT_TYPE, PROTOCOL_TYPE, URL_TYPE, PATH_TYPE, DESCRIPTION_TYPE)
STRUCTS = (GRMS_RESPONSE, JOB_HISTORY, JOB_INFORMATION, NOTIFICATION_REQUEST, FILE_DIR)
ARRAYS = (STRINGS, HISTORIES, RESPONSES, FILE_DIRS)

_JOB = Part("jobId", STRING)
_DEFINITION = Part("jobDefinition", STRING)
_STATUS = Part("status", JOB_STATUS)
_PROJECT = Part("project", STRING)
_LIST = Part("jobsList", STRINGS)
_LOCATION = Part("service_location", STRING)
_PID = Part("pid", INT)
_NOTIFICATION = Part("notificationId", STRING)
_ITEMS = Part("items", FILE_DIRS)
_ITEMS_190 = Part("items", FILE_DIRS_190)


def _op(
    name: str, ins: tuple[Part, ...], outs: tuple[Part, ...], doc: str, method: str = ""
) -> Operation:
    outs = (Part(f"{name}Return", GRMS_RESPONSE), *outs)
    return Operation(name, method or name, ins, outs, doc)


def _change_files(name: str, doc: str) -> Operation:
    """1.9.6 puts ``result`` first, which makes generated stubs ``void``."""
    outs = (Part("result", RESPONSES), Part(f"{name}Return", GRMS_RESPONSE), Part("errors", INT))
    return Operation(name, name, (_JOB, _ITEMS), outs, doc)


def _change_files_190(name: str, method: str) -> Operation:
    outs = (Part("errors", INT), Part("result", RESPONSES))
    return _op(name, (_JOB, _ITEMS_190), outs, "The 1.9.0 name and order.", method)


#: GRMS 1.9.6. The first of overloads is the one whose messages carry no suffix.
OPERATIONS = (
    _op("submitJob", (_DEFINITION,), (_JOB,), "Takes a job and gives its id."),
    _op(
        "migrateJob",
        (_JOB, _DEFINITION),
        (),
        "Moves a job to another resource, with a new description.",
        "migrateJobWithDefinition",
    ),
    _op("migrateJob", (_JOB,), (), "Moves a job to another resource."),
    _op(
        "suspendJob",
        (_JOB, _DEFINITION),
        (),
        "Suspends a job, with a new description.",
        "suspendJobWithDefinition",
    ),
    _op("suspendJob", (_JOB,), (), "Suspends a job."),
    _op(
        "resumeJob",
        (_JOB, _DEFINITION),
        (),
        "Resumes a suspended job, with a new description.",
        "resumeJobWithDefinition",
    ),
    _op("resumeJob", (_JOB,), (), "Resumes a suspended job."),
    _op("getJobsList", (), (_LIST,), "The ids of the caller's jobs."),
    _op(
        "getJobsList",
        (_STATUS,),
        (_LIST,),
        "The ids of the caller's jobs in one state.",
        "getJobsListByStatus",
    ),
    _op("getProjectJobsList", (_PROJECT,), (_LIST,), "The ids of a project's jobs."),
    _op(
        "getProjectJobsList",
        (_PROJECT, _STATUS),
        (_LIST,),
        "The ids of a project's jobs in one state.",
        "getProjectJobsListByStatus",
    ),
    _op(
        "getAllJobsList",
        (Part("status", JOB_STATUS, optional=True),),
        (_LIST,),
        "The ids of all users' jobs in one state.",
    ),
    _op(
        "registerApplicationAccess",
        (_JOB, _LOCATION, _PID),
        (),
        "Says where a running application takes checkpoint calls.",
    ),
    _op("unregisterApplicationAccess", (_JOB,), (), "Takes that back."),
    _op("getApplicationAccess", (_JOB,), (_LOCATION, _PID), "Where the application listens."),
    _op(
        "testJobDescription",
        (Part("JobDescription", STRING),),
        (),
        "Checks a job description; nothing is submitted.",
    ),
    _op("getJobInfo", (_JOB,), (Part("jobInfo", JOB_INFORMATION),), "How a job stands."),
    _op(
        "getJobHistory", (_JOB,), (Part("history", HISTORIES),), "All runs of a job, oldest first."
    ),
    _op(
        "findResources",
        (Part("resourceDefinition", STRING),),
        (Part("resources", STRINGS),),
        "The contacts of the resources that fit, best first.",
    ),
    _op("cancelJob", (_JOB,), (), "Ends a job."),
    Operation(
        "getServiceDescription",
        "getServiceDescription",
        (Part("type", DESCRIPTION_TYPE, optional=True),),
        (Part("getServiceDescriptionReturn", STRING),),
        "What this service is.",
    ),
    _op(
        "registerNotification",
        (_JOB, Part("request", NOTIFICATION_REQUEST)),
        (_NOTIFICATION,),
        "Asks to be told about a job's changes.",
    ),
    _op(
        "getNotificationsList",
        (_JOB,),
        (Part("notificationIds", STRINGS),),
        "The ids of a job's notifications.",
    ),
    _op(
        "getNotificationInformation",
        (_JOB, _NOTIFICATION),
        (Part("notificationRequest", NOTIFICATION_REQUEST),),
        "One notification as it was registered.",
    ),
    _op("unregisterNotification", (_JOB, _NOTIFICATION), (), "Ends a notification."),
    _change_files("addOutputFileDirs", "Registers more outputs while the job lives."),
    _op("getOutputFileDirs", (_JOB,), (_ITEMS,), "The outputs registered so far."),
    _change_files("deleteOutputFileDirs", "Takes registered outputs back."),
    _change_files("addCheckpointFileDirs", "Registers checkpoint files while the job lives."),
    _op("getCheckpointFileDirs", (_JOB,), (_ITEMS,), "The checkpoint files registered so far."),
    _change_files("deleteCheckpointFileDirs", "Takes registered checkpoint files back."),
)

#: GRMS 1.9.0 where it differs; answered, but not in the WSDL.
LEGACY = (
    _change_files_190("addOutFileDirs", "addOutputFileDirs190"),
    _op("getOutFileDirs", (_JOB,), (_ITEMS_190,), "The 1.9.0 name.", "getOutputFileDirs190"),
    _change_files_190("deleteOutFileDirs", "deleteOutputFileDirs190"),
    _op(
        "registerNotification",
        (Part("client", STRING, optional=True), Part("request", NOTIFICATION_REQUEST_190)),
        (_NOTIFICATION,),
        "The 1.9.0 shape.",
        "registerNotification190",
    ),
    _op(
        "unregisterNotification",
        (_NOTIFICATION,),
        (),
        "The 1.9.0 shape.",
        "unregisterNotification190",
    ),
)


def _by_name() -> dict[str, tuple[Operation, ...]]:
    found: dict[str, tuple[Operation, ...]] = {}
    for operation in OPERATIONS + LEGACY:
        found[operation.name] = (*found.get(operation.name, ()), operation)
    return found


#: Wire name -> its overloads.
BY_NAME = _by_name()
