"""A client library of today: every operation over document/literal, and both WSDLs load."""

import pytest
import zeep
from requests import Session
from zeep.transports import Transport

from grms.api.operations import OPERATIONS


@pytest.fixture
def transport(token):
    with Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        session.trust_env = False
        yield Transport(session=session, timeout=60, operation_timeout=60)


@pytest.fixture
def client(server, transport):
    return zeep.Client(f"{server.url}/literal?wsdl", transport=transport).service


def code(answer):
    return getattr(answer, "errorCode", None) if hasattr(answer, "errorCode") else next(
        answer[name].errorCode for name in dir(answer) if name.endswith("Return")
    )  # fmt: skip


def test_a_job_is_submitted_seen_and_canceled(client, job):
    job_id = client.submitJob(job).jobId
    assert job_id in client.getJobsList().jobsList.string
    assert job_id in client.getJobsListByStatus("QUEUED").jobsList.string
    info = client.getJobInfo(job_id).jobInfo
    assert (info.jobStatus, info.userDn) == ("QUEUED", "/C=PL/O=GRID/CN=Ann")
    assert info.lastHistory is not None
    assert info.submissionTime.tzinfo is not None
    assert code(client.cancelJob(job_id)) == 0
    assert code(client.getJobHistory(job_id)) == 0


def test_files_and_notifications_are_registered_read_and_deleted(client, job):
    job_id = client.submitJob(job).jobId
    item = {"name": "o", "path": "http://h/o", "urltype": "PHYSICAL", "pathtype": "FILE"}
    for kind in ("Output", "Checkpoint"):
        added = client[f"add{kind}FileDirs"](job_id, {"FileDir": [item]})
        assert added.errors == 0
        assert len(added.result.GrmsResponse) == 1
        kept = client[f"get{kind}FileDirs"](job_id)["items"].FileDir
        assert [(entry.name, entry.urltype) for entry in kept] == [("o", "PHYSICAL")]
        assert client[f"delete{kind}FileDirs"](job_id, {"FileDir": [item]}).errors == 0
    request = {"eventType": "STATUS", "protocol": "SOAP", "destination": "http://me/"}
    made = client.registerNotification(job_id, request)
    assert code(made) in (0, 120)
    assert client.getNotificationsList(job_id).notificationIds.string == [made.notificationId]
    seen = client.getNotificationInformation(job_id, made.notificationId).notificationRequest
    assert seen.destination == "http://me/"
    assert code(client.unregisterNotification(job_id, made.notificationId)) == 0


def test_the_application_registers_where_it_listens(client, job):
    job_id = client.submitJob(job).jobId
    assert code(client.registerApplicationAccess(job_id, "http://app/", 7)) == 0
    seen = client.getApplicationAccess(job_id)
    assert (seen.service_location, seen.pid) == ("http://app/", 7)
    assert code(client.unregisterApplicationAccess(job_id)) == 0
    gone = client.getApplicationAccess(job_id)
    assert (code(gone), gone.pid) == (25, 0)


def test_every_operation_can_be_called(client):
    nothing = {"FileDir": []}
    values = {"status": "QUEUED", "type": "FULL", "pid": 1, "items": nothing, "request": {}}
    for operation in OPERATIONS:
        parts = {part.name: values.get(part.name, "nope") for part in operation.ins}
        answer = client[operation.method](**parts)
        assert isinstance(answer, str) or code(answer) >= 0, operation.method


def test_the_rpc_wsdl_loads_without_a_network(server, transport):
    loaded = zeep.Client(f"{server.url}?wsdl", transport=transport)
    names = set(loaded.wsdl.services["grmsService"].ports["grms"].binding.all())
    assert names == {operation.name for operation in OPERATIONS}


def test_zeep_submits_over_rpc_too(server, transport, job):
    loaded = zeep.Client(f"{server.url}?wsdl", transport=transport)
    answer = loaded.service.submitJob(job)
    assert answer.submitJobReturn.errorCode == 0
    assert answer.jobId
