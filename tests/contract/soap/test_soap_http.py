"""The service over real HTTP: what clients of all ages send, byte for byte."""

import base64
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from lxml import etree

from grms.api.envelope import SOAP

ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    f'<soapenv:Envelope xmlns:soapenv="{SOAP}"><soapenv:Body>'
    '<ns1:{0} xmlns:ns1="urn:grms">{1}</ns1:{0}></soapenv:Body></soapenv:Envelope>'
)
XML = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}


def call(name, parts=""):
    return ENVELOPE.format(name, parts).encode()


def submission(job):
    return call("submitJob", f"<jobDefinition><![CDATA[{job}]]></jobDefinition>")


@pytest.fixture
def bearer(token):
    return XML | {"Authorization": f"Bearer {token}"}


def post(server, body, headers, path=""):
    return httpx.post(server.url + path, content=body, headers=headers, timeout=60)


def talk(server, request):
    """Send raw bytes, read until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as wire:
        wire.sendall(request)
        return b"".join(iter(lambda: wire.recv(65536), b""))


def fault(response):
    return etree.fromstring(response.content).findtext(f".//{{{SOAP}}}Fault/faultstring")


def test_axis_speaks_http_1_0(server, token, job):
    body = submission(job)
    pair = base64.b64encode(f"ann:{token}".encode()).decode()
    head = (
        "POST /axis/services/grms HTTP/1.0\r\nContent-Type: text/xml; charset=utf-8\r\n"
        "Accept: application/soap+xml, application/dime, multipart/related, text/*\r\n"
        "User-Agent: Axis/1.1\r\nHost: 127.0.0.1\r\nCache-Control: no-cache\r\n"
        f'Pragma: no-cache\r\nSOAPAction: ""\r\nContent-Length: {len(body)}\r\n'
        f"Authorization: Basic {pair}\r\n\r\n"
    )
    answer = talk(server, head.encode() + body)
    assert b" 200 " in answer.split(b"\r\n")[0]
    assert b">0</errorCode>" in answer
    assert b"<jobId " in answer


def test_a_chunked_body_after_100_continue_is_taken(server, token):
    body = call("getJobsList")
    head = (
        "POST /axis/services/grms HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n"
        "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\nConnection: close\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    )
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    answer = talk(server, head.encode() + chunks)
    assert b"100 Continue" in answer
    assert b" 200 OK" in answer
    assert b">0</errorCode>" in answer


def test_a_repeated_key_brings_the_same_job(server, bearer, job):
    headers = bearer | {"Idempotency-Key": "once"}
    first, second = (post(server, submission(job), headers).content for _ in range(2))
    assert first == second
    other = post(server, submission(job.replace("demo", "other")), headers).content
    assert b">31</errorCode>" in other


def test_a_bad_description_is_an_error_code_not_a_fault(server, bearer):
    response = post(server, submission("<grmsjob/>"), bearer)
    assert response.status_code == 200
    assert b">10</errorCode>" in response.content


def test_without_credentials_the_answer_is_401_with_a_challenge(server):
    response = post(server, call("getJobsList"), XML)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Basic")
    assert "credentials" in fault(response)


@pytest.mark.parametrize("path", ["", "/literal"])
def test_a_body_above_the_limit_is_refused_while_it_arrives(server, bearer, path):
    body = call("cancelJob", f"<jobId>{'x' * 400_000}</jobId>")
    response = post(server, body, bearer, path)
    assert response.status_code == 413
    assert "larger than 300000" in fault(response)
    pieces = (body[at : at + 10_000] for at in range(0, len(body), 10_000))
    assert post(server, pieces, bearer, path).status_code == 413


def test_an_announced_large_body_is_refused_before_it_is_sent(server, token):
    head = (
        "POST /axis/services/grms HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n"
        "Content-Length: 900000\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    answer = talk(server, head.encode())
    assert b" 413 " in answer.split(b"\r\n")[0]


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"Content-Encoding": "gzip"}, "gzip"),
        ({"Content-Type": "text/plain"}, "text/plain"),
        ({"Content-Type": "multipart/related; boundary=x"}, "multipart/related"),
        ({"Content-Type": "text/xml; charset=klingon"}, "klingon"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(server, bearer, headers, told):
    response = post(server, call("getJobsList"), bearer | headers)
    assert response.status_code in (415, 500)
    assert told in fault(response)


@pytest.mark.parametrize("path", ["", "/literal"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"rubbish",
        b"<a/>",
        call("getJobsList")[:-20],
        b'<!DOCTYPE a [<!ENTITY x "y">]>' + call("getJobsList").partition(b"\n")[2],
        f'<e:Envelope xmlns:e="{SOAP}"><e:Body/></e:Envelope>'.encode(),
        f'<e:Envelope xmlns:e="{SOAP}"/>'.encode(),
        call("formatDisk"),
        call("cancelJob", "<a>" * 300 + "</a>" * 300),
    ],
    ids=range(9),
)
def test_what_is_no_call_gets_a_fault_on_both_faces(server, bearer, path, body):
    response = post(server, body, bearer, path)
    assert response.status_code == 500
    assert fault(response)
    assert b"Traceback" not in response.content


def test_a_reference_to_itself_is_harmless_in_document_literal(server, bearer):
    body = call("cancelJob", '<ns1:jobId id="a" href="#a"/>')
    assert post(server, body, bearer, "/literal").status_code == 500


@pytest.mark.parametrize("path", ["", "/literal"])
def test_calls_at_once_do_not_mix_up_their_answers(server, bearer, path):
    names = [f"job-{number}" for number in range(60)]
    part = "<ns1:jobId>{}</ns1:jobId>" if path else "<jobId>{}</jobId>"

    def ask(name):
        return post(server, call("getJobInfo", part.format(name)), bearer, path).text

    with ThreadPoolExecutor(8) as pool:
        for name, answer in zip(names, pool.map(ask, names), strict=True):
            assert f"{name} " in answer or f"{name}<" in answer or f"{name}'" in answer


def test_soap_action_may_be_absent(server, bearer):
    del bearer["SOAPAction"]
    assert post(server, call("getJobsList"), bearer).status_code == 200


def test_the_wsdl_has_the_address_that_the_caller_used(server):
    for path in ("", "/literal"):
        text = httpx.get(f"{server.url}{path}?wsdl", headers={"Host": "grid.example"}).text
        assert f"http://grid.example/axis/services/grms{path}" in text
    assert "targetNamespace" in httpx.get(f"{server.url}?xsd").text


def test_people_get_a_page_and_probes_an_answer(server):
    assert "?wsdl" in httpx.get(server.url).text
    assert "?wsdl" in httpx.get(f"{server.url}/literal").text
    health = httpx.get(f"http://127.0.0.1:{server.port}/healthz")
    assert health.json() == {"status": "ok"}
