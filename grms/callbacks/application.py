"""The checkpoint call; ``docs/reference/application-checkpoint.wsdl`` is its contract.

The historical interface is lost; operation and message are GRMS's own. SOAP 1.1 is posted to the
registered location; where that is answered with 404, 405, 415 or 501, JSON is posted to
``<location>/checkpoint``.
"""

from __future__ import annotations

import httpx
from lxml import etree

from grms.broker.records import ApplicationAccess
from grms.errors import ErrorCode, SiteError

NAMESPACE = "urn:grms:application"
_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_NOT_SOAP = (404, 405, 415, 501)
_LONGEST = 1_000_000


class HttpApplications:
    """Calls applications over HTTP. Redirects are not followed."""

    def checkpoint(self, access: ApplicationAccess, job_id: str, deadline: float) -> None:
        """See ``grms.broker.ports.application.Applications``."""
        try:
            with httpx.Client(timeout=deadline, trust_env=False) as client:
                self._checkpoint(client, access, job_id)
        except httpx.TimeoutException as error:
            text = f"no answer within {deadline:.0f} s"
            raise _failed(access, text, transient=True) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _failed(access, str(error)) from error

    def _checkpoint(self, client: httpx.Client, access: ApplicationAccess, job_id: str) -> None:
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '"checkpoint"'}
        body = envelope(job_id, access.pid)
        answer = client.post(access.service_location, content=body, headers=headers)
        if answer.status_code in _NOT_SOAP:
            url = access.service_location.rstrip("/") + "/checkpoint"
            answer = client.post(url, json={"jobId": job_id, "pid": access.pid})
            if answer.status_code not in (200, 204):
                raise _failed(access, f"HTTP {answer.status_code}: {answer.text[:300].strip()}")
            return
        fault = fault_of(answer.content[:_LONGEST])
        if fault is not None or answer.status_code != 200:
            raise _failed(access, fault or f"HTTP {answer.status_code}")


def envelope(job_id: str, pid: int) -> bytes:
    """The SOAP request."""
    root = etree.Element(f"{{{_SOAP}}}Envelope", nsmap={"soap": _SOAP, "app": NAMESPACE})
    body = etree.SubElement(root, f"{{{_SOAP}}}Body")
    call = etree.SubElement(body, f"{{{NAMESPACE}}}checkpoint")
    etree.SubElement(call, f"{{{NAMESPACE}}}jobId").text = job_id
    etree.SubElement(call, f"{{{NAMESPACE}}}pid").text = str(pid)
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def fault_of(body: bytes) -> str | None:
    """The reason of a SOAP fault, or of an answer that is none; None for success."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError:
        return "the answer is not SOAP"
    if root.find(f".//{{{_SOAP}}}Fault") is not None:
        return root.findtext(".//faultstring") or "a fault without a reason"
    if root.find(f".//{{{NAMESPACE}}}checkpointResponse") is None:
        return "the answer is no checkpointResponse"
    return None


def _failed(access: ApplicationAccess, reason: str, *, transient: bool = False) -> SiteError:
    return SiteError(
        f"the application at {access.service_location} wrote no checkpoint: {reason}",
        code=ErrorCode.NOT_CHECKPOINTABLE,
        transient=transient,
    )
