"""A modern client and a hand-made request of 2005 each take a job from submit to FINISHED."""

from __future__ import annotations

import re
import socket
from xml.sax.saxutils import escape

import requests
import zeep
from broker import Broker, eventually
from jobs import shell_job

ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
    '<ns1:{name} soapenv:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/" '
    'xmlns:ns1="urn:grms">{parts}</ns1:{name}></soapenv:Body></soapenv:Envelope>'
)


def _by_hand(broker: Broker, name: str, **parts: str) -> str:
    """One HTTP/1.0 request over a bare socket, as Axis 1.1 sent it; the body of the answer."""
    inner = "".join(f'<{k} xsi:type="xsd:string">{escape(v)}</{k}>' for k, v in parts.items())
    body = ENVELOPE.format(name=name, parts=inner).encode()
    host, _, port = broker.url.removeprefix("http://").partition(":")
    head = (
        "POST /axis/services/grms HTTP/1.0\r\nContent-Type: text/xml; charset=utf-8\r\n"
        f"Host: {host}\r\nUser-Agent: Axis/1.1\r\nAuthorization: Bearer {broker.token}\r\n"
        f'SOAPAction: ""\r\nContent-Length: {len(body)}\r\n\r\n'
    )
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(head.encode() + body)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer.partition(b"\r\n\r\n")[2].decode()


def _value(answer: str, part: str) -> str:
    found = re.search(rf"<{part}(?: [^>]*)?>([^<]*)</{part}>", answer)
    assert found, answer
    return found.group(1)


def test_a_hand_made_rpc_encoded_request_takes_a_job_to_its_end(broker: Broker) -> None:
    out = broker.files / "hello.txt"
    submitted = _by_hand(
        broker, "submitJob", jobDefinition=shell_job("echo Hello", stdout=f"file://{out}")
    )
    assert _value(submitted, "errorCode") == "0"
    job_id = _value(submitted, "jobId")
    states: list[str] = []

    def finished() -> bool:
        states.append(_value(_by_hand(broker, "getJobInfo", jobId=job_id), "jobStatus"))
        return states[-1] in ("FINISHED", "FAILED", "CANCELED")

    eventually(finished, "the job to end")
    history = _by_hand(broker, "getJobHistory", jobId=job_id)
    assert states[-1] == "FINISHED"
    assert "localFinishTime" in history
    assert out.read_text() == "Hello\n"


def test_zeep_on_the_literal_wsdl_takes_a_job_to_its_end(broker: Broker) -> None:
    session = requests.Session()
    session.auth = ("alice", broker.token)
    with session:
        transport = zeep.Transport(session=session)
        client = zeep.Client(f"{broker.url}/axis/services/grms/literal?wsdl", transport=transport)
        submitted = client.service.submitJob(shell_job("true"))
        assert submitted.submitJobReturn.errorCode == 0
        job_id = submitted.jobId

        def finished() -> bool:
            return str(client.service.getJobInfo(job_id).jobInfo.jobStatus) == "FINISHED"

        eventually(finished, "the job to finish")
        history = client.service.getJobHistory(job_id)
        assert history.getJobHistoryReturn.errorCode == 0
        entries = history.history.jobHistory
        assert len(entries) == 1
        assert entries[0].localFinishTime is not None


def test_a_caller_without_a_token_is_refused(broker: Broker) -> None:
    answer = requests.post(f"{broker.url}/axis/services/grms", data="x", timeout=60)
    answer.close()
    assert answer.status_code == 401


def test_the_same_idempotency_key_gives_the_same_job_even_after_a_kill(broker: Broker) -> None:
    with broker.client() as client:
        first = client.submit(shell_job("true"), key="order-17")
    broker.kill()
    broker.start()
    with broker.client() as client:
        assert client.submit(shell_job("true"), key="order-17") == first
        assert len(client.list()) == 1
