"""SOAP 1.1 rpc/encoded as the GRMS 1.9.6 contract speaks it: calls out, answers in.

Calls carry their values inline; answers may carry them inline or by href/multiRef, as Axis does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml import etree

from grms.client.errors import BadAnswerError, RefusedError
from grms.errors import ErrorCode, RequestError

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
XSD = "http://www.w3.org/2001/XMLSchema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
GRMS = "urn:grms"

_PREFIXES = {"soapenv": ENVELOPE, "soapenc": ENCODING, "xsd": XSD, "xsi": XSI, "ns1": GRMS}
_MAX_HOPS = 32


@dataclass(frozen=True, slots=True)
class Scalar:
    """A simple value: ``type`` is its qualified name, ``text`` None is nil."""

    type: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Struct:
    """A bean: fields in the order of the contract."""

    type: str
    fields: tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class Array:
    """A list of beans of one type."""

    type: str
    items: tuple[Struct, ...]


Value = Scalar | Struct | Array


def string(text: str | None) -> Scalar:
    """An xsd:string."""
    return Scalar("xsd:string", text)


def number(value: int) -> Scalar:
    """An xsd:int."""
    return Scalar("xsd:int", str(value))


def boolean(value: bool) -> Scalar:
    """An xsd:boolean."""
    return Scalar("xsd:boolean", "true" if value else "false")


def word(type_name: str, text: str) -> Scalar:
    """One word of an enumeration of the contract."""
    return Scalar(f"ns1:{type_name}", text)


def encode(operation: str, parts: Sequence[tuple[str, Value]]) -> bytes:
    """The envelope of a call. Raises RequestError for characters that XML cannot carry."""
    envelope = etree.Element(f"{{{ENVELOPE}}}Envelope", nsmap=_PREFIXES)
    body = etree.SubElement(envelope, f"{{{ENVELOPE}}}Body")
    call = etree.SubElement(body, f"{{{GRMS}}}{operation}")
    call.set(f"{{{ENVELOPE}}}encodingStyle", ENCODING)
    for name, value in parts:
        _append(call, name, value)
    return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")


def _append(parent: etree._Element, name: str, value: Value) -> None:
    element = etree.SubElement(parent, name)
    if isinstance(value, Array):
        element.set(f"{{{XSI}}}type", "soapenc:Array")
        element.set(f"{{{ENCODING}}}arrayType", f"{value.type}[{len(value.items)}]")
        for item in value.items:
            _append(element, "item", item)
        return
    element.set(f"{{{XSI}}}type", value.type)
    if isinstance(value, Struct):
        for field, inner in value.fields:
            _append(element, field, inner)
    elif value.text is None:
        element.set(f"{{{XSI}}}nil", "true")
    else:
        try:
            element.text = value.text
        except ValueError as error:
            raise RequestError(
                f"{name}: XML cannot carry its control characters; remove them"
            ) from error


@dataclass(frozen=True, slots=True)
class Part:
    """An element of an answer, hrefs resolved as they are met."""

    element: etree._Element
    refs: dict[str, etree._Element]

    @property
    def text(self) -> str:
        """The text, whole: comments inside it do not cut it off."""
        tails = (child.tail for child in self.element)
        return "".join(text for text in (self.element.text, *tails) if text)

    def get(self, name: str) -> Part | None:
        """The child of this local name; None when it is missing or nil."""
        for child in self.element.iterchildren("{*}" + name):
            return self._resolve(child)
        return None

    def children(self, name: str = "*") -> list[Part]:
        """The children of this local name, nil ones left out; all of them by default."""
        tag = name if name == "*" else "{*}" + name
        found = (self._resolve(child) for child in self.element.iterchildren(tag))
        return [part for part in found if part is not None]

    def string(self, name: str) -> str:
        """The text of a child, "" when missing or nil."""
        part = self.get(name)
        return part.text if part else ""

    def number(self, name: str) -> int:
        """The whole number in a child, 0 when missing or nil."""
        text = self.string(name).strip()
        try:
            return int(text or 0)
        except ValueError as error:
            raise BadAnswerError(f"the answer's {name} is {text!r}, not a whole number") from error

    def time(self, name: str) -> datetime | None:
        """The aware time in a child; a time without a zone is UTC."""
        text = self.string(name).strip()
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise BadAnswerError(f"the answer's {name} is {text!r}, not a time") from error
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def _resolve(self, element: etree._Element) -> Part | None:
        for _ in range(_MAX_HOPS):
            href = element.get("href")
            if href is None:
                nil = element.get(f"{{{XSI}}}nil") in ("true", "1")
                return None if nil else Part(element, self.refs)
            target = self.refs.get(href.removeprefix("#"))
            if target is None:
                raise BadAnswerError(f"the answer refers to {href}, which it does not hold")
            element = target
        raise BadAnswerError("the answer's references run in a circle")


def decode(operation: str, content: bytes) -> Part:
    """The ``<operation>Response`` of an answer.

    Raises RefusedError for a SOAP Fault, BadAnswerError for anything that is not an answer.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_pis=True)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise BadAnswerError(f"the answer is not XML: {error.msg}") from error
    body = root.find(f"{{{ENVELOPE}}}Body")
    if root.tag != f"{{{ENVELOPE}}}Envelope" or body is None:
        raise BadAnswerError(f"the answer is not SOAP 1.1: its root is {root.tag}")
    refs = {child.get("id", ""): child for child in body if child.get("id")}
    fault = body.find(f"{{{ENVELOPE}}}Fault")
    if fault is not None:
        raise _refusal(Part(fault, refs))
    response = body.find(f"{{*}}{operation}Response")
    if response is None:
        raise BadAnswerError(f"the answer holds no {operation}Response")
    return Part(response, refs)


def _refusal(fault: Part) -> RefusedError:
    ours = "Server" not in fault.string("faultcode")
    code = ErrorCode.BAD_REQUEST if ours else ErrorCode.INTERNAL
    return RefusedError(code, fault.string("faultstring").strip())
