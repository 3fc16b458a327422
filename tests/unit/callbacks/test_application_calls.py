"""The broker asks running applications for checkpoints: by SOAP, else by its REST twin."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from lxml import etree

from grms.broker.records import ApplicationAccess
from grms.callbacks import HttpApplications
from grms.callbacks.application import NAMESPACE, envelope
from grms.errors import SiteError

WSDL = Path(__file__).parents[3] / "docs/reference/application-checkpoint.wsdl"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
OK = (
    f'<s:Envelope xmlns:s="{SOAP}"><s:Body><checkpointResponse xmlns="{NAMESPACE}"/>'
    "</s:Body></s:Envelope>"
)
FAULT = (
    f'<s:Envelope xmlns:s="{SOAP}"><s:Body><s:Fault><faultcode>s:Server</faultcode>'
    "<faultstring>not now</faultstring></s:Fault></s:Body></s:Envelope>"
)


class Application:
    """Answers each path with a status and a body, and remembers what came."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, str]] = {}
        self.came: list[tuple[str, bytes]] = []
        self.hold = threading.Event()
        self.hold.set()
        application = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                application.came.append((self.path, body))
                application.hold.wait(60)
                status, text = application.answers.get(self.path, (404, ""))
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def call(self, path: str = "/app", deadline: float = 60) -> None:
        url = f"http://127.0.0.1:{self.server.server_address[1]}{path}"
        HttpApplications().checkpoint(ApplicationAccess(url, 17), "job-1", deadline)

    def close(self) -> None:
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def application() -> Iterator[Application]:
    made = Application()
    yield made
    made.close()


def test_soap_comes_first_and_names_job_and_process(application: Application) -> None:
    application.answers["/app"] = 200, OK
    application.call()
    ((path, body),) = application.came
    assert path == "/app"
    assert etree.fromstring(body).findtext(f".//{{{NAMESPACE}}}jobId") == "job-1"
    assert etree.fromstring(body).findtext(f".//{{{NAMESPACE}}}pid") == "17"


@pytest.mark.parametrize("status", [404, 405, 415, 501])
def test_where_soap_is_not_spoken_its_rest_twin_is_called(
    application: Application, status: int
) -> None:
    application.answers |= {"/app": (status, ""), "/app/checkpoint": (200, "{}")}
    application.call()
    assert json.loads(application.came[1][1]) == {"jobId": "job-1", "pid": 17}


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"/app": (500, FAULT)}, "not now"),
        ({"/app": (200, "hello")}, "not SOAP"),
        ({"/app": (200, "<a/>")}, "no checkpointResponse"),
        ({"/app": (404, ""), "/app/checkpoint": (503, "busy")}, "HTTP 503: busy"),
    ],
)
def test_any_other_answer_is_a_refusal_with_its_reason(
    application: Application, answers: dict[str, tuple[int, str]], reason: str
) -> None:
    application.answers = answers
    with pytest.raises(SiteError, match=reason):
        application.call()


def test_an_application_that_does_not_answer_has_refused(application: Application) -> None:
    application.hold.clear()
    with pytest.raises(SiteError, match="no answer within"):
        application.call(deadline=0.2)


def test_an_application_that_is_gone_has_refused(application: Application) -> None:
    access = ApplicationAccess("http://127.0.0.1:1/", 17)
    with pytest.raises(SiteError, match="wrote no checkpoint"):
        HttpApplications().checkpoint(access, "job-1", 5)


def test_the_call_is_what_the_wsdl_says() -> None:
    wsdl = etree.parse(WSDL)
    schema = etree.XMLSchema(wsdl.find(".//{http://www.w3.org/2001/XMLSchema}schema"))
    schema.assertValid(etree.fromstring(envelope("job", 1))[0][0])
    assert schema.validate(etree.fromstring(OK)[0][0])
