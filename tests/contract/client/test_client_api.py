"""Each verb of the client against a broker that answers inline and by reference."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from fake_broker import OK, FakeBroker, Hiccup, fault, history, job_info

from grms.client import (
    ApplicationAccess,
    Client,
    FileDir,
    ItemResult,
    Listener,
    RefusedError,
)
from grms.client.errors import BadAnswerError
from grms.errors import AccessError, ErrorCode, GrmsError, RequestError


def asked(broker: FakeBroker) -> tuple[str, dict[str, object]]:
    """The only call that arrived."""
    (request,) = broker.requests
    return request.operation, request.parts


def test_submit_sends_the_text_and_answers_with_the_id(broker: FakeBroker, client: Client) -> None:
    broker.accept("submitJob", jobId="1_a_2")
    text = '<?xml version="1.0"?>\n<grmsjob appid="ü&amp;"/>'
    assert client.submit(text) == "1_a_2"
    assert asked(broker) == ("submitJob", {"jobDefinition": text})


def test_test_calls_its_part_with_a_capital_j(broker: FakeBroker, client: Client) -> None:
    broker.accept("testJobDescription")
    client.test("<grmsjob/>")
    assert asked(broker) == ("testJobDescription", {"JobDescription": "<grmsjob/>"})


def test_cancel_names_the_job(broker: FakeBroker, client: Client) -> None:
    broker.accept("cancelJob")
    client.cancel("j")
    assert asked(broker) == ("cancelJob", {"jobId": "j"})


@pytest.mark.parametrize("verb", ["migrate", "suspend", "resume"])
def test_a_wish_without_a_description_is_the_short_overload(
    broker: FakeBroker, client: Client, verb: str
) -> None:
    broker.accept(f"{verb}Job")
    getattr(client, verb)("j")
    assert asked(broker) == (f"{verb}Job", {"jobId": "j"})


@pytest.mark.parametrize("verb", ["migrate", "suspend", "resume"])
def test_a_wish_with_a_description_is_the_long_overload(
    broker: FakeBroker, client: Client, verb: str
) -> None:
    broker.accept(f"{verb}Job")
    getattr(client, verb)("j", "<grmsjob/>")
    assert asked(broker) == (f"{verb}Job", {"jobId": "j", "jobDefinition": "<grmsjob/>"})


def test_list_without_a_state_sends_no_part(broker: FakeBroker, client: Client) -> None:
    broker.accept("getJobsList", jobsList=["a", "b"])
    assert client.list() == ("a", "b")
    assert asked(broker) == ("getJobsList", {})


def test_list_sends_the_state_as_a_word_of_the_contract(broker: FakeBroker, client: Client) -> None:
    broker.accept("getJobsList", jobsList=[])
    assert client.list("RUNNING") == ()
    assert asked(broker) == ("getJobsList", {"status": "RUNNING"})
    assert broker.requests[0].types == {"status": "ns1:JobStatusType"}


def test_list_project_takes_a_project_and_a_state(broker: FakeBroker, client: Client) -> None:
    broker.accept("getProjectJobsList", jobsList=["a"])
    assert client.list_project("astro", "FAILED") == ("a",)
    assert asked(broker) == ("getProjectJobsList", {"project": "astro", "status": "FAILED"})


def test_list_all_asks_for_a_state(broker: FakeBroker, client: Client) -> None:
    broker.accept("getAllJobsList", jobsList=["a"])
    assert client.list_all("QUEUED") == ("a",)
    assert asked(broker) == ("getAllJobsList", {"status": "QUEUED"})


def test_info_tells_state_times_and_the_last_run(broker: FakeBroker, client: Client) -> None:
    broker.accept("getJobInfo", jobInfo=job_info("FINISHED"))
    info = client.info("j")
    assert (info.job_id, info.state, info.ended) == ("j", "FINISHED", True)
    assert (info.request_status, info.req_num_status) == ("TASK_EXEC_ACTIVE", 512)
    assert info.finish_time == datetime(2026, 11, 27, 10, 2, tzinfo=UTC)
    assert info.error_description == ""
    assert info.last_history is not None
    assert info.last_history.local_submission_time == datetime(2026, 11, 27, 10, 0, 2, tzinfo=UTC)


def test_the_empty_run_of_a_job_that_never_ran_is_no_run(
    broker: FakeBroker, client: Client
) -> None:
    empty = dict.fromkeys(history())
    broker.accept("getJobInfo", jobInfo=job_info("QUEUED", lastHistory=empty, historyLength=0))
    info = client.info("j")
    assert (info.last_history, info.history_length, info.ended) == (None, 0, False)


def test_a_state_beyond_the_ten_is_not_passed_on(broker: FakeBroker, client: Client) -> None:
    broker.accept("getJobInfo", jobInfo=job_info("CANCELLED"))
    with pytest.raises(BadAnswerError, match="'CANCELLED'"):
        client.info("j")


def test_history_lists_the_runs_in_order(broker: FakeBroker, client: Client) -> None:
    broker.accept("getJobHistory", history=[history(), history(hostName="node8")])
    assert [run.host_name for run in client.history("j")] == ["node7", "node8"]


def test_resources_answers_with_contacts(broker: FakeBroker, client: Client) -> None:
    broker.accept("findResources", resources=["a/jobmanager-pbs"])
    assert client.resources("<grmsjob/>") == ("a/jobmanager-pbs",)
    assert asked(broker) == ("findResources", {"resourceDefinition": "<grmsjob/>"})


@pytest.mark.parametrize(("full", "word"), [(False, "SHORT"), (True, "FULL")])
def test_description_is_a_bare_text(
    broker: FakeBroker, client: Client, full: bool, word: str
) -> None:
    broker.answers["getServiceDescription"] = {"getServiceDescriptionReturn": "GRMS"}
    assert client.description(full=full) == "GRMS"
    assert asked(broker) == ("getServiceDescription", {"type": word})


def test_register_and_application_carry_place_and_pid(broker: FakeBroker, client: Client) -> None:
    broker.accept("registerApplicationAccess")
    broker.accept("getApplicationAccess", service_location="http://n:1", pid=4711)
    client.register("j", "http://n:1", 4711)
    assert client.application("j") == ApplicationAccess("http://n:1", 4711)
    assert broker.requests[0].parts == {
        "jobId": "j",
        "service_location": "http://n:1",
        "pid": "4711",
    }
    assert broker.requests[0].types["pid"] == "xsd:int"


def test_unregister_names_the_job(broker: FakeBroker, client: Client) -> None:
    broker.accept("unregisterApplicationAccess")
    client.unregister("j")
    assert asked(broker) == ("unregisterApplicationAccess", {"jobId": "j"})


FILE = FileDir("out", "sftp://s/out")
DIRECTORY = FileDir("dir", "id-7", logical=True, directory=True)
BEANS = [
    {"name": "out", "path": "sftp://s/out", "urltype": "PHYSICAL", "pathtype": "FILE"},
    {"name": "dir", "path": "id-7", "urltype": "LOGICAL", "pathtype": "DIRECTORY"},
]


@pytest.mark.parametrize(
    ("verb", "operation"),
    [
        ("add_output", "addOutputFileDirs"),
        ("del_output", "deleteOutputFileDirs"),
        ("add_checkpoint", "addCheckpointFileDirs"),
        ("del_checkpoint", "deleteCheckpointFileDirs"),
    ],
)
def test_files_are_changed_with_one_result_each(
    broker: FakeBroker, client: Client, verb: str, operation: str
) -> None:
    bad = {"errorCode": 51, "errorMessage": "not there"}
    broker.refuse(operation, 51, "1 of 2 items was refused", result=[OK, bad], errors=1)
    assert getattr(client, verb)("j", [FILE, DIRECTORY]) == (
        ItemResult(FILE, 0, ""),
        ItemResult(DIRECTORY, 51, "not there"),
    )
    assert asked(broker) == (operation, {"jobId": "j", "items": BEANS})


def test_files_refused_as_a_whole_are_a_refusal(broker: FakeBroker, client: Client) -> None:
    broker.refuse("addOutputFileDirs", 22, "there is no job j", result=[], errors=0)
    with pytest.raises(RefusedError, match="no job j"):
        client.add_output("j", [FILE])


def test_results_that_contradict_their_count_are_refused(
    broker: FakeBroker, client: Client
) -> None:
    operation = "addOutputFileDirs"
    broker.answers[operation] = {"result": [OK], f"{operation}Return": OK, "errors": 1}
    with pytest.raises(BadAnswerError, match="counts 1 errors but lists 0"):
        client.add_output("j", [FILE])


@pytest.mark.parametrize(
    ("verb", "operation"),
    [("get_output", "getOutputFileDirs"), ("get_checkpoint", "getCheckpointFileDirs")],
)
def test_files_are_listed(broker: FakeBroker, client: Client, verb: str, operation: str) -> None:
    broker.accept(operation, items=BEANS)
    assert getattr(client, verb)("j") == (FILE, DIRECTORY)


def test_a_listener_is_registered_in_the_newer_form(broker: FakeBroker, client: Client) -> None:
    broker.accept("registerNotification", notificationId="7")
    assert client.add_listener("j", Listener("STATUS", "SOAP", "http://p")) == "7"
    request = {
        "eventType": "STATUS",
        "protocol": "SOAP",
        "destination": "http://p",
        "append": "false",
        "format": None,
    }
    assert asked(broker) == ("registerNotification", {"jobId": "j", "request": request})


def test_users_are_told_in_the_older_form(broker: FakeBroker, client: Client) -> None:
    broker.accept("registerNotification", notificationId="7")
    wanted = Listener("STATUS", "MAIL", "http://p", users=("ann", "bob"))
    assert client.add_listener("j", wanted, client="portal") == "7"
    request = {
        "jobId": "j",
        "eventType": "STATUS",
        "notificationType": "MAIL",
        "listener": "http://p",
        "users": "ann bob",
    }
    assert asked(broker) == ("registerNotification", {"client": "portal", "request": request})


def test_listeners_are_listed_by_id(broker: FakeBroker, client: Client) -> None:
    broker.accept("getNotificationsList", notificationIds=["7", "8"])
    assert client.listeners("j") == ("7", "8")


def test_a_listener_is_described(broker: FakeBroker, client: Client) -> None:
    bean = {
        "eventType": "REQUEST",
        "protocol": "GASS",
        "destination": "https://h/log",
        "append": "true",
        "format": None,
    }
    broker.accept("getNotificationInformation", notificationRequest=bean)
    assert client.listener("j", "7") == Listener("REQUEST", "GASS", "https://h/log", append=True)
    assert broker.requests[0].parts == {"jobId": "j", "notificationId": "7"}


def test_a_listener_is_removed_with_or_without_its_job(broker: FakeBroker, client: Client) -> None:
    broker.accept("unregisterNotification")
    client.del_listener("7")
    client.del_listener("7", job_id="j")
    assert [request.parts for request in broker.requests] == [
        {"notificationId": "7"},
        {"jobId": "j", "notificationId": "7"},
    ]


def test_a_refusal_carries_the_brokers_code_and_text(broker: FakeBroker, client: Client) -> None:
    broker.refuse("getJobInfo", 22, "there is no job j")
    with pytest.raises(RefusedError, match=r"^there is no job j$") as caught:
        client.info("j")
    assert (caught.value.code, caught.value.number) == (ErrorCode.UNKNOWN_JOB, 22)


def test_a_refusal_of_another_broker_keeps_its_number(broker: FakeBroker, client: Client) -> None:
    broker.refuse("cancelJob", 7, "nie")
    with pytest.raises(RefusedError) as caught:
        client.cancel("j")
    assert (caught.value.code, caught.value.number) == (ErrorCode.INTERNAL, 7)


def test_what_is_done_only_in_part_is_a_warning(broker: FakeBroker) -> None:
    broker.refuse("registerNotification", 120, "stored, not delivered yet", notificationId="7")
    warnings: list[str] = []
    with Client(broker.url, warn=warnings.append) as client:
        assert client.add_listener("j", Listener("STATUS", "SOAP", "http://p")) == "7"
    assert warnings == ["stored, not delivered yet"]


def test_success_without_a_job_id_is_no_success(broker: FakeBroker, client: Client) -> None:
    broker.accept("submitJob", jobId=None)
    with pytest.raises(BadAnswerError, match="holds no jobId"):
        client.submit("<grmsjob/>")


def test_an_answer_without_an_error_code_is_no_success(broker: FakeBroker, client: Client) -> None:
    broker.answers["cancelJob"] = {}
    with pytest.raises(BadAnswerError, match="no error code"):
        client.cancel("j")


@pytest.mark.parametrize(
    ("code", "expected"),
    [("soapenv:Client", ErrorCode.BAD_REQUEST), ("soapenv:Server", ErrorCode.INTERNAL)],
)
def test_a_fault_says_whose_it_is(plain_broker: FakeBroker, code: str, expected: ErrorCode) -> None:
    body = fault(code, "too deep").decode()
    plain_broker.hiccups = [Hiccup(status=500, body=body, type="text/xml")]
    with (
        Client(plain_broker.url) as client,
        pytest.raises(RefusedError, match="too deep") as caught,
    ):
        client.list()
    assert caught.value.code is expected


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (401, AccessError, ErrorCode.NOT_AUTHENTICATED),
        (403, AccessError, ErrorCode.NOT_ALLOWED),
        (404, BadAnswerError, ErrorCode.BAD_ANSWER),
        (302, BadAnswerError, ErrorCode.BAD_ANSWER),
        (413, RequestError, ErrorCode.TOO_LARGE),
        (200, BadAnswerError, ErrorCode.BAD_ANSWER),
    ],
)
def test_a_web_page_is_no_answer(
    plain_broker: FakeBroker, status: int, kind: type[GrmsError], code: ErrorCode
) -> None:
    plain_broker.hiccups = [Hiccup(status=status, body="<html><body>Hello<br></body></html>")]
    with Client(plain_broker.url) as client, pytest.raises(kind) as caught:
        client.list()
    assert caught.value.code is code
    assert plain_broker.url in str(caught.value)


@pytest.mark.parametrize("status", [403, 413])
def test_what_the_broker_says_beside_the_status_is_told(
    plain_broker: FakeBroker, status: int
) -> None:
    body = fault("soapenv:Client", "at most 4000000 bytes").decode()
    plain_broker.hiccups = [Hiccup(status=status, body=body, type="text/xml")]
    with Client(plain_broker.url) as client, pytest.raises(GrmsError, match="at most 4000000"):
        client.list()


def test_the_token_goes_along(plain_broker: FakeBroker) -> None:
    plain_broker.accept("getJobsList", jobsList=[])
    with Client(plain_broker.url, token="sesame") as client:
        client.list()
    assert plain_broker.requests[0].headers["authorization"] == "Bearer sesame"
    assert plain_broker.requests[0].headers["soapaction"] == '""'


def test_text_that_xml_cannot_carry_is_not_sent(plain_broker: FakeBroker) -> None:
    with Client(plain_broker.url) as client, pytest.raises(RequestError, match="control char"):
        client.submit("a\x00b")
    assert plain_broker.requests == []
