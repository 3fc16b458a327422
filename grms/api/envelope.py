"""What both SOAP faces share: safe parsing of an envelope, faults, and the outcome of a call."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

from grms.errors import ErrorCode

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
XSD = "http://www.w3.org/2001/XMLSchema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
SOAP_ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"

#: Tags of one request: a bound on the memory that a small body can be made to take.
MAX_TAGS = 100_000
#: SOAP 1.1, section 4.2.2: a header without an actor, or with this one, is meant for us.
_NEXT = "http://schemas.xmlsoap.org/soap/actor/next"
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class MalformedError(Exception):
    """The message is no SOAP call. ``code`` is Client, Server, VersionMismatch, MustUnderstand.

    ``status`` is the HTTP status of the fault, ``error`` what the log says.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "Client",
        status: int = 500,
        error: ErrorCode = ErrorCode.BAD_REQUEST,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.error = error

    def served(self) -> Served:
        """The fault as an answer."""
        return Served(fault(self.code, str(self)), self.status, "-", self.error)


@dataclass(frozen=True, slots=True)
class Served:
    """How a call ended: the answer, its HTTP status, and what the log says of it."""

    content: bytes
    status: int
    operation: str
    code: int


def legal(text: str) -> str:
    """``text`` with what XML 1.0 cannot carry replaced by U+FFFD."""
    return _ILLEGAL.sub("\ufffd", text)


def escape(text: str) -> str:
    """``text`` as the content of an element or of an attribute in double quotes."""
    text = legal(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;").replace("\r", "&#13;")


def parse(body: bytes, charset: str) -> etree._Element:
    """The root of the envelope. ``charset`` overrides the document's own word, "" leaves it.

    No DTD, no entity, no network, at most 256 levels (libxml2's own bound). Raises MalformedError.
    """
    if not body.strip():
        raise MalformedError("the request has no body; a SOAP 1.1 envelope is expected")
    if body.count(b"<") > MAX_TAGS:
        raise MalformedError(
            f"the envelope has more than {MAX_TAGS} tags", error=ErrorCode.TOO_LARGE
        )
    root = _parse(body, charset)
    if root.getroottree().docinfo.internalDTD is not None:
        raise MalformedError("a document type (DTD) is not allowed")
    return root


def _parse(body: bytes, charset: str) -> etree._Element:
    try:
        parser = etree.XMLParser(
            encoding=charset or None,
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
    except LookupError:
        raise MalformedError(f"the charset {charset!r} is not known; send utf-8") from None
    try:
        return etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise MalformedError(f"the envelope is not well-formed XML: {error}") from None


def body_of(root: etree._Element) -> etree._Element:
    """The Body of a SOAP 1.1 envelope. Raises MalformedError.

    That includes headers which the caller wants obeyed: none is known.
    """
    if root.tag == f"{{{SOAP_12}}}Envelope":
        raise MalformedError("this is SOAP 1.2; send SOAP 1.1", code="VersionMismatch")
    if root.tag != f"{{{SOAP}}}Envelope":
        raise MalformedError(
            f"expected an Envelope of {SOAP}, found {root.tag}", code="VersionMismatch"
        )
    for header in root.iterfind(f"{{{SOAP}}}Header/*"):
        actor = header.get(f"{{{SOAP}}}actor", _NEXT)
        if header.get(f"{{{SOAP}}}mustUnderstand") == "1" and actor in ("", _NEXT):
            raise MalformedError(f"header {header.tag} is not understood", code="MustUnderstand")
    bodies = root.findall(f"{{{SOAP}}}Body")
    if len(bodies) != 1:
        raise MalformedError(f"the envelope must have one Body, it has {len(bodies)}")
    return bodies[0]


def fault(code: str, text: str) -> bytes:
    """A SOAP 1.1 Fault. ``code`` without prefix: Client, Server ..."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<soapenv:Envelope xmlns:soapenv="{SOAP}"><soapenv:Body><soapenv:Fault>'
        f"<faultcode>soapenv:{escape(code)}</faultcode>"
        f"<faultstring>{escape(text)}</faultstring>"
        "</soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    ).encode()
