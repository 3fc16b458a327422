"""Each command of grms-client: standard output, standard error and exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_broker import OK, FakeBroker, Hiccup, history, job_info

from grms.client.exits import Exit

ITEM = {"name": "out", "path": "sftp://s/out", "urltype": "PHYSICAL", "pathtype": "FILE"}


def sent(broker: FakeBroker) -> dict[str, object]:
    """The parts of the newest call."""
    return broker.requests[-1].parts


def test_submit_prints_the_id(plain_broker: FakeBroker, run) -> None:
    plain_broker.accept("submitJob", jobId="1_render_2")
    done = run(plain_broker, "submit", "job.xml")
    assert (done.code, done.out, done.err) == (0, "JobId = 1_render_2\n", "")
    assert sent(plain_broker) == {"jobDefinition": '<grmsjob appid="render"/>'}


def test_submit_reads_standard_input(plain_broker: FakeBroker, run) -> None:
    plain_broker.accept("submitJob", jobId="1")
    assert run(plain_broker, "submit", "-", stdin="<grmsjob/>").code == 0
    assert sent(plain_broker) == {"jobDefinition": "<grmsjob/>"}


def test_submit_takes_a_key(plain_broker: FakeBroker, run) -> None:
    plain_broker.accept("submitJob", jobId="1")
    run(plain_broker, "submit", "--key", "mine", "job.xml")
    assert plain_broker.requests[0].headers["idempotency-key"] == "mine"


@pytest.mark.parametrize(
    "words", [("--json", "submit", "job.xml"), ("submit", "job.xml", "--json")]
)
def test_json_may_stand_before_or_behind(plain_broker: FakeBroker, run, words) -> None:
    plain_broker.accept("submitJob", jobId="1")
    assert json.loads(run(plain_broker, *words).out) == {"jobId": "1"}


@pytest.mark.parametrize(
    ("state", "code"),
    [("FINISHED", Exit.OK), ("FAILED", Exit.FAILED), ("CANCELED", Exit.CANCELED)],
)
def test_submit_wait_tells_the_end_by_its_exit_code(
    plain_broker: FakeBroker, run, state: str, code: int
) -> None:
    plain_broker.accept("submitJob", jobId="1")
    states = iter(["QUEUED", "RUNNING", "RUNNING", state])
    plain_broker.answers["getJobInfo"] = lambda _request: {
        "getJobInfoReturn": OK,
        "jobInfo": job_info(next(states), finishTime="2026-11-27T10:02:00Z"),
    }
    done = run(plain_broker, "submit", "--wait", "job.xml")
    assert (done.code, done.out) == (code, "JobId = 1\n")
    assert [line.split()[2] for line in done.err.splitlines()] == ["QUEUED", "RUNNING", state]


def test_watch_prints_each_state_once_with_its_time(plain_broker: FakeBroker, run) -> None:
    states = iter(["RUNNING", "RUNNING", "FINISHED"])
    plain_broker.answers["getJobInfo"] = lambda _request: {
        "getJobInfoReturn": OK,
        "jobInfo": job_info(next(states)),
    }
    done = run(plain_broker, "watch", "j")
    assert done.code == 0
    assert done.out == (
        "2026-11-27T10:00:03Z  j  RUNNING  on node7\n2026-11-27T10:02:00Z  j  FINISHED\n"
    )


def test_watch_writes_json_lines(plain_broker: FakeBroker, run) -> None:
    plain_broker.accept("getJobInfo", jobInfo=job_info("FINISHED"))
    done = run(plain_broker, "watch", "--json", "a", "b")
    first, second = map(json.loads, done.out.splitlines())
    assert (first["at"], first["exact"]) == ("2026-11-27T10:02:00Z", True)
    assert (first["job"]["jobId"], second["job"]["jobId"]) == ("a", "b")


def test_watch_ends_with_the_worst_end(plain_broker: FakeBroker, run) -> None:
    ends = {"a": "FINISHED", "b": "FAILED", "c": "CANCELED"}
    plain_broker.answers["getJobInfo"] = lambda request: {
        "getJobInfoReturn": OK,
        "jobInfo": job_info(ends[request.parts["jobId"]]),
    }
    assert run(plain_broker, "watch", "a", "b", "c").code == Exit.FAILED
    assert run(plain_broker, "watch", "a", "c").code == Exit.CANCELED


def test_watch_gives_up_after_its_timeout(plain_broker: FakeBroker, run) -> None:
    plain_broker.accept("getJobInfo", jobInfo=job_info("RUNNING"))
    done = run(plain_broker, "watch", "--timeout", "0", "j")
    assert done.code == Exit.TIMEOUT
    assert "have not ended: j" in done.err


def test_watch_outlives_an_outage_and_tells_it_once(plain_broker: FakeBroker, run) -> None:
    plain_broker.accept("getJobInfo", jobInfo=job_info("FINISHED"))
    plain_broker.hiccups = [Hiccup(status=503)] * 12
    done = run(plain_broker, "watch", "j")
    assert done.code == 0
    assert done.err.count("still trying") == 1


def test_cancel_goes_on_after_a_refusal(plain_broker: FakeBroker, run) -> None:
    no = {"errorCode": 22, "errorMessage": "there is no job b"}
    plain_broker.answers["cancelJob"] = lambda request: {
        "cancelJobReturn": no if request.parts["jobId"] == "b" else OK
    }
    done = run(plain_broker, "cancel", "a", "b", "c")
    assert done.code == Exit.IDENTITY
    assert done.out == "cancel of a accepted\ncancel of c accepted\n"
    assert done.err == "grms-client: there is no job b [error 22, UNKNOWN_JOB]\n"


@pytest.mark.parametrize("verb", ["migrate", "suspend", "resume"])
def test_wishes_take_a_job_and_perhaps_a_file(plain_broker: FakeBroker, run, verb: str) -> None:
    plain_broker.accept(f"{verb}Job")
    done = run(plain_broker, verb, "j")
    assert (done.code, done.out) == (0, f"{verb} of j accepted\n")
    assert sent(plain_broker) == {"jobId": "j"}
    run(plain_broker, verb, "j", "job.xml")
    assert sent(plain_broker) == {"jobId": "j", "jobDefinition": '<grmsjob appid="render"/>'}


def test_list_prints_ids(plain_broker: FakeBroker, run) -> None:
    plain_broker.accept("getJobsList", jobsList=["a", "b"])
    assert run(plain_broker, "list").out == "a\nb\n"
    assert run(plain_broker, "list", "running").code == 0
    assert sent(plain_broker) == {"status": "RUNNING"}
    assert json.loads(run(plain_broker, "list", "--json").out) == {"jobs": ["a", "b"]}


def test_an_empty_list_prints_nothing(plain_broker: FakeBroker, run) -> None:
    plain_broker.accept("getJobsList", jobsList=[])
    assert run(plain_broker, "list").out == ""
    assert run(plain_broker, "list", "-l").out == ""


def test_a_long_list_is_a_table(plain_broker: FakeBroker, run) -> None:
    plain_broker.accept("getJobsList", jobsList=["1305550554579_render_5366", "b"])
    plain_broker.accept("getJobInfo", jobInfo=job_info("RUNNING"))
    assert run(plain_broker, "list", "-l").out == (
        "JOB                        STATE    SUBMITTED             FINISHED  HOST   APPLICATION\n"
        "1305550554579_render_5366  RUNNING  2026-11-27T10:00:00Z  -         node7  render\n"
        "b                          RUNNING  2026-11-27T10:00:00Z  -         node7  -\n"
    )


def test_a_long_list_of_all_leaves_out_what_we_may_not_see(plain_broker: FakeBroker, run) -> None:
    plain_broker.accept("getAllJobsList", jobsList=["a"])
    plain_broker.refuse("getJobInfo", 21, "a is not yours", jobInfo=None)
    done = run(plain_broker, "list_all", "RUNNING", "--long")
    assert (done.code, done.out, done.err) == (0, "", "grms-client: a is not yours\n")


def test_list_all_needs_a_state(plain_broker: FakeBroker, run) -> None:
    done = run(plain_broker, "list_all")
    assert done.code == Exit.USAGE
    assert "STATE" in done.err


def test_list_project_takes_a_project(plain_broker: FakeBroker, run) -> None:
    plain_broker.accept("getProjectJobsList", jobsList=["a"])
    assert run(plain_broker, "list_project", "astro", "FAILED").out == "a\n"
    assert sent(plain_broker) == {"project": "astro", "status": "FAILED"}


def test_info_is_aligned(plain_broker: FakeBroker, run) -> None:
    failed = job_info("FAILED", errorDescription="exit code 3\nsee stderr")
    plain_broker.accept("getJobInfo", jobInfo=failed)
    assert run(plain_broker, "info", "j").out.splitlines() == [
        "Job:        j",
        "Status:     FAILED",
        "Step:       TASK_EXEC_ACTIVE (512)",
        "Owner:      /C=PL/O=GRID/CN=Ann",
        "Project:    astro",
        "Submitted:  2026-11-27T10:00:00Z",
        "Finished:   -",
        "Runs:       1",
        "Host:       node7",
        "Started:    2026-11-27T10:00:03Z",
        "Error:      exit code 3",
        "            see stderr",
    ]


def test_info_as_json_has_the_names_of_the_contract(plain_broker: FakeBroker, run) -> None:
    plain_broker.accept("getJobInfo", jobInfo=job_info("RUNNING"))
    told = json.loads(run(plain_broker, "info", "--json", "j").out)
    assert told["state"] == "RUNNING"
    assert told["lastHistory"]["localSubmissionTime"] == "2026-11-27T10:00:02Z"
    assert told["finishTime"] is None


def test_history_is_a_table_of_runs(plain_broker: FakeBroker, run) -> None:
    plain_broker.accept("getJobHistory", history=[history(), history(hostName="node8")])
    lines = run(plain_broker, "history", "j").out.splitlines()
    assert lines[0].split() == ["RUN", "HOST", "PLACED", "SUBMITTED", "STARTED", "FINISHED"]
    assert [line.split()[:2] for line in lines[1:]] == [["1", "node7"], ["2", "node8"]]
    told = json.loads(run(plain_broker, "history", "--json", "j").out)
    assert [entry["hostName"] for entry in told["history"]] == ["node7", "node8"]


def test_resources_prints_contacts(plain_broker: FakeBroker, run) -> None:
    plain_broker.accept("findResources", resources=["a/jobmanager-pbs", "b/jobmanager-fork"])
    done = run(plain_broker, "resources", "job.xml")
    assert done.out == "a/jobmanager-pbs\nb/jobmanager-fork\n"


def test_test_says_that_a_description_is_valid(plain_broker: FakeBroker, run) -> None:
    plain_broker.accept("testJobDescription")
    assert run(plain_broker, "test", "job.xml").out == "the description is valid\n"


def test_test_prints_all_mistakes_on_standard_error(plain_broker: FakeBroker, run) -> None:
    plain_broker.refuse("testJobDescription", 10, "2 mistakes:\n  line 1: a\n  line 2: b")
    done = run(plain_broker, "test", "job.xml")
    assert (done.code, done.out) == (Exit.DESCRIPTION, "")
    assert "  line 1: a\n  line 2: b [error 10, BAD_DESCRIPTION]\n" in done.err


def test_description_is_short_unless_full_is_said(plain_broker: FakeBroker, run) -> None:
    plain_broker.answers["getServiceDescription"] = lambda request: {
        "getServiceDescriptionReturn": request.parts["type"]
    }
    assert run(plain_broker, "description").out == "SHORT\n"
    assert run(plain_broker, "description", "FULL").out == "FULL\n"


@pytest.mark.parametrize("kind", ["output", "checkpoint"])
def test_files_are_added_listed_and_removed(plain_broker: FakeBroker, run, kind: str) -> None:
    stem = kind.capitalize() + "FileDirs"
    for operation in (f"add{stem}", f"delete{stem}"):
        plain_broker.accept(operation, result=[OK], errors=0)
    plain_broker.accept(f"get{stem}", items=[ITEM])
    assert run(plain_broker, f"add_{kind}", "j", "out", "id-7", "LOGICAL", "DIRECTORY").code == 0
    item = {"name": "out", "path": "id-7", "urltype": "LOGICAL", "pathtype": "DIRECTORY"}
    assert sent(plain_broker) == {"jobId": "j", "items": [item]}
    assert run(plain_broker, f"get_{kind}", "j").out == "out  sftp://s/out  PHYSICAL  FILE\n"
    assert run(plain_broker, f"del_{kind}", "j", "out", "sftp://s/out").code == 0
    assert sent(plain_broker) == {"jobId": "j", "items": [ITEM]}


def test_a_file_that_is_refused_fails_the_command(plain_broker: FakeBroker, run) -> None:
    no = {"errorCode": 51, "errorMessage": "file:///etc is not allowed"}
    plain_broker.accept("addOutputFileDirs", result=[no], errors=1)
    done = run(plain_broker, "add_output", "j", "out", "file:///etc")
    assert (done.code, done.out) == (Exit.FILES, "")
    assert "file:///etc is not allowed [error 51, FILE_NOT_ALLOWED]" in done.err


def test_two_types_of_one_kind_are_a_usage_error(plain_broker: FakeBroker, run) -> None:
    done = run(plain_broker, "add_output", "j", "out", "x", "FILE", "DIRECTORY")
    assert done.code == Exit.USAGE
    assert plain_broker.requests == []


def test_an_application_is_registered_told_and_taken_back(plain_broker: FakeBroker, run) -> None:
    plain_broker.accept("registerApplicationAccess")
    plain_broker.accept("getApplicationAccess", service_location="http://n:1", pid=12)
    plain_broker.accept("unregisterApplicationAccess")
    assert run(plain_broker, "register", "j", "http://n:1", "12").code == 0
    assert run(plain_broker, "application", "j").out == "Location:  http://n:1\nPid:       12\n"
    assert run(plain_broker, "unregister", "j").code == 0


def test_listeners_are_added_listed_told_and_removed(plain_broker: FakeBroker, run) -> None:
    bean = {"eventType": "STATUS", "protocol": "SOAP", "destination": "http://p", "append": "false"}
    plain_broker.accept("registerNotification", notificationId="7")
    plain_broker.accept("getNotificationsList", notificationIds=["7"])
    plain_broker.accept("getNotificationInformation", notificationRequest=bean)
    plain_broker.accept("unregisterNotification")
    assert run(plain_broker, "add_listener", "j", "STATUS", "SOAP", "http://p").out == "7\n"
    assert run(plain_broker, "listeners", "j").out == "7\n"
    assert "Destination:  http://p\n" in run(plain_broker, "listener", "j", "7").out
    assert run(plain_broker, "del_listener", "7").out == "listener 7 removed\n"
    assert sent(plain_broker) == {"notificationId": "7"}


def test_what_is_stored_only_is_a_remark_not_a_failure(plain_broker: FakeBroker, run) -> None:
    plain_broker.refuse("registerNotification", 120, "not delivered yet", notificationId="7")
    done = run(plain_broker, "add_listener", "j", "http://p")
    assert (done.code, done.out, done.err) == (0, "7\n", "grms-client: not delivered yet\n")


def test_an_unknown_command_suggests_the_nearest(home: Path, run) -> None:
    done = run(None, "submitt", "job.xml")
    assert done.code == Exit.USAGE
    assert "Did you mean submit" in done.err


def test_errors_as_json_go_to_standard_error(plain_broker: FakeBroker, run) -> None:
    plain_broker.refuse("getJobInfo", 22, "there is no job j")
    done = run(plain_broker, "info", "--json", "j")
    assert (done.code, done.out) == (Exit.IDENTITY, "")
    error = {"code": 22, "name": "UNKNOWN_JOB", "message": "there is no job j"}
    assert json.loads(done.err) == {"error": error}


def test_a_missing_file_is_named(plain_broker: FakeBroker, run) -> None:
    done = run(plain_broker, "submit", "none.xml")
    assert done.code == Exit.DESCRIPTION
    assert "none.xml: No such file" in done.err
    assert plain_broker.requests == []


def test_a_broker_that_is_not_there_has_its_own_exit_code(home: Path, run) -> None:
    done = run(None, "--server", "http://127.0.0.1:1", "list")
    assert done.code == Exit.NO_BROKER
    assert "cannot reach the broker at http://127.0.0.1:1/axis/services/grms" in done.err


def test_a_web_page_in_place_of_a_broker_is_named(plain_broker: FakeBroker, run) -> None:
    plain_broker.hiccups = [Hiccup(status=200, body="<html/>")]
    done = run(plain_broker, "list")
    assert done.code == Exit.NO_BROKER
    assert "is this the address of a GRMS broker?" in done.err


def test_foreign_control_characters_do_not_reach_the_terminal(
    plain_broker: FakeBroker, run
) -> None:
    plain_broker.accept("getJobsList", jobsList=["a\x9b31mb"])
    assert run(plain_broker, "list").out == "a?31mb\n"


def test_the_token_comes_from_the_usual_file(plain_broker: FakeBroker, run, home: Path) -> None:
    plain_broker.accept("getJobsList", jobsList=[])
    (home / ".config/grms").mkdir(parents=True)
    (home / ".config/grms/token").write_text("sesame\n")
    run(plain_broker, "list")
    assert plain_broker.requests[0].headers["authorization"] == "Bearer sesame"


def test_help_needs_no_broker_and_no_settings(run, home: Path) -> None:
    (home / ".config/grms").mkdir(parents=True)
    (home / ".config/grms/client.toml").write_text("not = [toml")
    assert run(None, "--help").code == 0
    assert run(None, "list").code == Exit.USAGE
