"""Calls a second through the SOAP codecs and handlers, in process, beside a bare lxml parse.

Run: ``python bench/soap.py [seconds for each]``. The service behind answers from memory.
"""

import sys
import time
from datetime import UTC, datetime
from types import SimpleNamespace

from lxml import etree

from grms.api import soap_rpc
from grms.api.envelope import SOAP
from grms.api.handlers import Call
from grms.api.soap_literal import Literal
from grms.broker.records import Attempt, Job, Principal
from grms.broker.views import AttemptInfo, JobInfo

NOW = datetime(2026, 3, 4, tzinfo=UTC)
JOB = Job("1", "/CN=Ann", "demo", "x" * 1500, NOW)
RUN = AttemptInfo(Attempt("1", 1, "pond", "t", "/w", "x" * 1500, NOW))
SERVICE = SimpleNamespace(
    submit=lambda *_, **__: SimpleNamespace(job=JOB), info=lambda *_: JobInfo(JOB, RUN, 1)
)
CALL = Call(SERVICE, Principal("/CN=Ann"))


def envelope(name: str, part: str, text: str, prefix: str = "") -> bytes:
    inner = f"<{prefix}{part}>{text}</{prefix}{part}>"
    return (
        f'<s:Envelope xmlns:s="{SOAP}"><s:Body><n:{name} xmlns:n="urn:grms">{inner}</n:{name}>'
        "</s:Body></s:Envelope>"
    ).encode()


def rate(function, *args, seconds: float) -> float:
    """Calls a second, after one to warm up."""
    function(*args)
    count, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        function(*args)
        count += 1
    return count / spent


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    literal = Literal()
    for name, part, text in (
        ("submitJob", "jobDefinition", "&lt;grmsjob&gt;" * 100),
        ("getJobInfo", "jobId", "1"),
    ):
        body = envelope(name, part, text)
        print(f"{name:11} {'bare parse':12} {rate(etree.fromstring, body, seconds=seconds):9.0f}/s")
        print(f"{'':11} {'rpc':12} {rate(soap_rpc.serve, CALL, body, seconds=seconds):9.0f}/s")
        body = envelope(name, part, text, "n:")
        print(f"{'':11} {'literal':12} {rate(literal.serve, CALL, body, seconds=seconds):9.0f}/s")


if __name__ == "__main__":
    main()
