"""A broker of canned answers behind a real HTTP server, in the two forms that brokers answer in."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

OK = {"errorCode": 0, "errorMessage": None}
HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:ns1="urn:grms"><soapenv:Body>'
)
TAIL = "</soapenv:Body></soapenv:Envelope>"

Parts = Mapping[str, Any]


@dataclass
class Request:
    """One call as it arrived: a bean is a dict, an array of beans a list."""

    operation: str
    parts: dict[str, Any]
    headers: dict[str, str]
    types: dict[str, str]


@dataclass
class Hiccup:
    """What happens instead of an answer: a bare HTTP answer, or a cut or silent connection."""

    status: int = 0
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    silent: bool = False
    type: str = "text/html"


class FakeBroker:
    """``answers`` maps an operation to its parts, or to a function from call to parts.

    ``hiccups`` are used up first, one a request. ``style`` is "inline" or "href". ``documents``
    maps the path of a JSON resource to its status and content; ``asked`` is what came for them.
    """

    def __init__(self, style: str = "inline") -> None:
        self.style = style
        self.answers: dict[str, Parts | Callable[[Request], Parts]] = {}
        self.hiccups: list[Hiccup] = []
        self.documents: dict[str, tuple[int, Any]] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.requests: list[Request] = []
        self.called = threading.Event()
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def refuse(self, operation: str, code: int, message: str, **others: Any) -> None:
        """Answer ``operation`` with an error code."""
        verdict = {"errorCode": code, "errorMessage": message}
        self.answers[operation] = {f"{operation}Return": verdict, **others}

    def accept(self, operation: str, **parts: Any) -> None:
        """Answer ``operation`` with code 0 and these parts."""
        self.answers[operation] = {f"{operation}Return": OK, **parts}

    def answer(self, request: Request) -> bytes:
        found = self.answers.get(request.operation)
        if found is None:
            return fault("soapenv:Client", f"no answer for {request.operation}")
        parts = found(request) if callable(found) else found
        return render(request.operation, parts, self.style)


def render(operation: str, parts: Parts, style: str) -> bytes:
    """An answer, its values inline or each behind a reference as an Axis server sends them."""
    refs: list[str] = []
    numbers = itertools.count()
    inner = "".join(_element(name, value, style, refs, numbers) for name, value in parts.items())
    call = f"<ns1:{operation}Response>{inner}</ns1:{operation}Response>"
    return (HEAD + call + "".join(reversed(refs)) + TAIL).encode()


def fault(code: str, text: str) -> bytes:
    """A SOAP Fault."""
    inner = f"<faultcode>{code}</faultcode><faultstring>{escape(text)}</faultstring>"
    return (HEAD + f"<soapenv:Fault>{inner}</soapenv:Fault>" + TAIL).encode()


def _element(
    name: str, value: Any, style: str, refs: list[str], numbers: itertools.count[int]
) -> str:
    if value is None:
        return f'<{name} xsi:type="xsd:string" xsi:nil="true"/>'
    content, attributes = _content(value, style, refs, numbers)
    if style == "inline":
        return f"<{name} {attributes}>{content}</{name}>"
    number = next(numbers)
    refs.append(f'<multiRef id="id{number}" {attributes}>{content}</multiRef>')
    return f'<{name} href="#id{number}"/>'


def _content(
    value: Any, style: str, refs: list[str], numbers: itertools.count[int]
) -> tuple[str, str]:
    if isinstance(value, Mapping):
        fields = (_element(name, inner, style, refs, numbers) for name, inner in value.items())
        return "".join(fields), 'xsi:type="ns1:Bean"'
    if isinstance(value, list):
        items = (_element("item", inner, style, refs, numbers) for inner in value)
        kind = f'soapenc:arrayType="xsd:anyType[{len(value)}]" xsi:type="soapenc:Array"'
        return "".join(items), kind
    return escape(str(value)), f'xsi:type="xsd:{"int" if isinstance(value, int) else "string"}"'


def _read(element: etree._Element) -> Any:
    if element.get("{http://www.w3.org/2001/XMLSchema-instance}nil") == "true":
        return None
    children = list(element)
    if element.get("{http://schemas.xmlsoap.org/soap/encoding/}arrayType"):
        return [_read(child) for child in children]
    if not children:
        return element.text or ""
    fields: dict[str, Any] = {}
    for child in children:
        value = _read(child)
        before = fields.get(child.tag)
        fields[child.tag] = value if before is None else f"{before} {value}"
    return fields


def _request(content: bytes, headers: Mapping[str, str]) -> Request:
    call = etree.fromstring(content)[0][0]
    assert call.tag.startswith("{urn:grms}")
    return Request(
        operation=etree.QName(call).localname,
        parts={part.tag: _read(part) for part in call},
        headers={name.lower(): value for name, value in headers.items()},
        types={
            part.tag: part.get("{http://www.w3.org/2001/XMLSchema-instance}type", "")
            for part in call
        },
    )


def _handler(broker: FakeBroker) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._document("")

        def _document(self, content: str) -> None:
            broker.asked.append((self.command, self.path, content))
            status, told = broker.documents.get(self.path, (501, {}))
            body = json.dumps(told).encode() if status != 501 else b"<html/>"
            self._send(status, body, {"Content-Type": "application/json"})

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path in broker.documents:
                self._document(content.decode())
                return
            assert self.path == "/axis/services/grms"
            request = _request(content, dict(self.headers))
            broker.requests.append(request)
            broker.called.set()
            if broker.hiccups:
                self._stumble(broker.hiccups.pop(0))
                return
            body = broker.answer(request)
            status = 500 if b"<soapenv:Fault>" in body else 200
            self._send(status, body, {"Content-Type": "text/xml; charset=utf-8"})

        def _stumble(self, hiccup: Hiccup) -> None:
            if hiccup.silent:
                broker.released.wait(60)
            if hiccup.silent or hiccup.cut:
                self.close_connection = True
                return
            headers = {"Content-Type": hiccup.type, **hiccup.headers}
            self._send(hiccup.status, hiccup.body.encode(), headers)

        def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def job_info(state: str = "RUNNING", **changes: Any) -> dict[str, Any]:
    """A ``jobInformation`` of a job that has run once."""
    run = history(localFinishTime="2026-11-27T10:01:00.000Z" if state == "FINISHED" else None)
    return {
        "project": "astro",
        "userDn": "/C=PL/O=GRID/CN=Ann",
        "jobStatus": state,
        "submissionTime": "2026-11-27T10:00:00.000Z",
        "finishTime": "2026-11-27T10:02:00.000Z" if state == "FINISHED" else None,
        "requestStatus": "TASK_EXEC_ACTIVE",
        "reqNumStatus": 512,
        "errorDescription": None,
        "lastHistory": run,
        "historyLength": 1,
        **changes,
    }


def history(**changes: Any) -> dict[str, Any]:
    """A ``jobHistory``."""
    return {
        "hostName": "node7",
        "startTime": "2026-11-27T10:00:01Z",
        "localSubmissionTime": "2026-11-27T12:00:02+02:00",
        "localStartTime": "2026-11-27T10:00:03.000Z",
        "localFinishTime": None,
        "jobDescription": "<grmsjob/>",
        "applicationAccess": "http://node7:9000",
        **changes,
    }
