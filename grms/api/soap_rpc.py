"""The rpc/encoded codec of SOAP 1.1, section 5, as Axis 1.1 and its contemporaries speak it.

The table of operations rules: the type of a part decides how it is read, ``xsi:type`` is ignored,
names count without their namespaces. References (``href``/``multiRef``) are followed where they
are met, never copied, so that a small message cannot become a large one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lxml import etree

from grms.api.envelope import (
    SOAP,
    SOAP_ENCODING,
    XSD,
    XSI,
    MalformedError,
    Served,
    body_of,
    escape,
    fault,
    parse,
)
from grms.api.handlers import Call, answer, failure
from grms.api.operations import (
    BOOLEAN,
    BY_NAME,
    NAMESPACE,
    Array,
    Enumeration,
    Operation,
    Part,
    Scalar,
    Struct,
    Type,
)
from grms.errors import ErrorCode, GrmsError, RequestError

#: References in a row, values and characters read from one call: bounds against bombs.
MAX_CHAIN = 8
MAX_VALUES = 200_000
MAX_TEXT = 8_000_000
_INT = re.compile(r"[+-]?[0-9]{1,10}")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Request:
    """A call as read. ``problem`` is set when it was understood but its parts are wrong."""

    operation: Operation
    parts: dict[str, Any]
    problem: RequestError | None = None


def serve(call: Call, body: bytes, charset: str = "") -> Served:
    """Answer one envelope. Never raises for what a caller sent."""
    try:
        request = read(body, charset)
    except MalformedError as error:
        return error.served()
    operation = request.operation
    try:
        if request.problem is None:
            outs, code = answer(call, operation, request.parts)
        else:
            outs, code = failure(operation, request.problem)
    except GrmsError as error:
        return Served(fault("Server", str(error)), 500, operation.method, error.code)
    return Served(write(operation, outs), 200, operation.method, code)


def read(body: bytes, charset: str = "") -> Request:
    """Read one call. Raises MalformedError."""
    soap_body = body_of(parse(body, charset))
    element = _operation_element(soap_body)
    name = _local(element)
    overloads = BY_NAME.get(name)
    if overloads is None:
        raise MalformedError(
            f"there is no operation {name!r}; GET this address with ?wsdl lists them"
        )
    reader = _Reader(soap_body)
    present = reader.members(element)
    operation, problem = choose(overloads, set(present))
    parts: dict[str, Any] = {}
    if problem is None:
        try:
            parts = reader.fields(present, operation.ins, "")
        except RequestError as error:
            problem = error
    return Request(operation, parts, problem)


def choose(
    overloads: tuple[Operation, ...], present: set[str]
) -> tuple[Operation, RequestError | None]:
    """The overload with just these parts; else the nearest, with what is wrong about the call."""

    def distance(operation: Operation) -> tuple[int, int]:
        return len(unknown(operation)), len(missing(operation))

    def unknown(operation: Operation) -> list[str]:
        return sorted(present - {part.name for part in operation.ins})

    def missing(operation: Operation) -> list[str]:
        wanted = [part.name for part in operation.ins if not part.optional]
        return [name for name in wanted if name not in present]

    best = min(overloads, key=distance)
    if distance(best) == (0, 0):
        return best, None
    faults = [f"part {name} is missing or nil" for name in missing(best)]
    faults += [f"there is no part {name}" for name in unknown(best)]
    return best, RequestError(f"{best.name}: " + "; ".join(faults))


def _local(element: etree._Element) -> str:
    return element.tag.rpartition("}")[2]


def _operation_element(body: etree._Element) -> etree._Element:
    """The one child of Body that is no independent element (SOAP 1.1, section 5.1)."""
    root = f"{{{SOAP_ENCODING}}}root"
    calls = [
        child
        for child in body
        if child.get(root) != "0" and child.get("id") is None and _local(child) != "multiRef"
    ]
    if len(calls) != 1:
        raise MalformedError(f"the Body must hold one operation, it holds {len(calls)}")
    return calls[0]


class _Reader:
    """Turns the elements of one Body into values, by their types."""

    def __init__(self, body: etree._Element) -> None:
        self._body = body
        self._targets: dict[str, etree._Element] | None = None
        self._active: list[etree._Element] = []
        self._values = 0
        self._text = 0

    def members(self, element: etree._Element) -> dict[str, list[etree._Element]]:
        """The children that are not nil, by name, references followed."""
        found: dict[str, list[etree._Element]] = {}
        for child in element:
            target = self._resolve(child)
            if not _is_nil(target) and not _is_nil(child):
                found.setdefault(_local(child), []).append(target)
        return found

    def fields(
        self, members: dict[str, list[etree._Element]], parts: tuple[Part, ...], where: str
    ) -> dict[str, Any]:
        """The values of ``parts``, None for those that are absent. Raises RequestError."""
        unknown = members.keys() - {part.name for part in parts}
        if unknown:
            raise RequestError(f"{where or 'the call'} has no {', '.join(sorted(unknown))}")
        values: dict[str, Any] = {}
        for part in parts:
            elements = members.get(part.name, [])
            place = f"{where}/{part.name}" if where else part.name
            if part.many:
                values[part.name] = [v for e in elements for v in self._repeated(e, part, place)]
            elif len(elements) > 1:
                raise RequestError(f"{place} is given {len(elements)} times, once is expected")
            else:
                values[part.name] = self._value(elements[0], part.type, place) if elements else None
        return values

    def _repeated(self, element: etree._Element, part: Part, place: str) -> Iterator[Any]:
        """A repeated field; some stubs send it as one array under the same name."""
        items = [self._resolve(child) for child in element] or [element]
        return (self._value(item, part.type, place) for item in items if not _is_nil(item))

    def _value(self, element: etree._Element, kind: Type, place: str) -> Any:
        self._spend(values=1)
        if element in self._active:
            raise MalformedError(f"{place} refers to itself")
        self._active.append(element)
        try:
            if isinstance(kind, Struct):
                return self.fields(self.members(element), kind.fields, place)
            if isinstance(kind, Array):
                return [self._item(child, kind, place) for child in element]
            return self._simple(element, kind, place)
        finally:
            self._active.pop()

    def _item(self, child: etree._Element, kind: Array, place: str) -> Any:
        target = self._resolve(child)
        return (
            None if _is_nil(target) else self._value(target, kind.item, f"{place}/{_local(child)}")
        )

    def _simple(self, element: etree._Element, kind: Scalar | Enumeration, place: str) -> Any:
        for child in element:
            if self._resolve(child) in self._active:
                raise MalformedError(f"{place} refers to itself")
        if len(element):
            raise RequestError(
                f"{place}: expected text, found elements; a document inside must be escaped"
            )
        text = element.text or ""
        self._spend(text=len(text))
        if isinstance(kind, Enumeration):
            return _word(text.strip(), kind, place)
        return _DECODERS[kind.name](text, place)

    def _resolve(self, element: etree._Element) -> etree._Element:
        for _ in range(MAX_CHAIN):
            href = element.get("href")
            if href is None:
                return element
            element = self._target(href)
        raise MalformedError(f"more than {MAX_CHAIN} references in a row, or a circle of them")

    def _target(self, href: str) -> etree._Element:
        if self._targets is None:
            self._targets = _identified(self._body)
        if not href.startswith("#"):
            raise MalformedError(f"href {href!r}: only references inside the message are followed")
        try:
            return self._targets[href[1:]]
        except KeyError:
            raise MalformedError(f"href {href!r}: no element has that id") from None

    def _spend(self, values: int = 0, text: int = 0) -> None:
        self._values += values
        self._text += text
        if self._values > MAX_VALUES or self._text > MAX_TEXT:
            raise MalformedError(
                "the call's references make it too large", error=ErrorCode.TOO_LARGE
            )


def _identified(body: etree._Element) -> dict[str, etree._Element]:
    targets: dict[str, etree._Element] = {}
    for element in body.iter():
        name = element.get("id")
        if name is not None and targets.setdefault(name, element) is not element:
            raise MalformedError(f"two elements have the id {name!r}")
    return targets


def _is_nil(element: etree._Element) -> bool:
    nil = element.get(f"{{{XSI}}}nil", element.get(f"{{{XSI}}}null"))
    return nil is not None and nil.strip() in ("true", "1")


def _word(text: str, kind: Enumeration, place: str) -> str:
    word = kind.aliases.get(text, text)
    if word not in kind.values:
        raise RequestError(f"{place}: {text!r} is none of {', '.join(kind.values)}")
    return word


def _int(text: str, place: str) -> int:
    text = text.strip()
    if not _INT.fullmatch(text) or not -(2**31) <= int(text) < 2**31:
        raise RequestError(f"{place}: {text!r} is no 32-bit integer")
    return int(text)


def _boolean(text: str, place: str) -> bool:
    try:
        return _BOOLEANS[text.strip()]
    except KeyError:
        raise RequestError(f"{place}: {text!r} is neither true nor false") from None


#: dateTime is missing: no operation takes one.
_DECODERS: dict[str, Callable[[str, str], Any]] = {
    "string": lambda text, _: text,
    "int": _int,
    "boolean": _boolean,
}

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    f'<soapenv:Envelope xmlns:soapenv="{SOAP}" xmlns:xsd="{XSD}" xmlns:xsi="{XSI}">'
    "<soapenv:Body>"
)
_TAIL = "</soapenv:Body></soapenv:Envelope>"


def write(operation: Operation, outs: dict[str, Any]) -> bytes:
    """The response envelope: unqualified parts in the contract's order, typed and inline."""
    wrapper = f"ns1:{operation.name}Response"
    parts = "".join(_element(part.name, part.type, outs.get(part.name)) for part in operation.outs)
    return (
        f'{_HEAD}<{wrapper} soapenv:encodingStyle="{SOAP_ENCODING}" xmlns:ns1="{NAMESPACE}">'
        f"{parts}</{wrapper}>{_TAIL}"
    ).encode()


def _element(name: str, kind: Type, value: Any) -> str:
    if isinstance(kind, Array):
        return _array(name, kind, value or [])
    xsi_type = _qname(kind)
    if value is None:
        return f'<{name} xsi:type="{xsi_type}" xsi:nil="true"/>'
    if isinstance(kind, Struct):
        inner = "".join(_element(part.name, part.type, value[part.name]) for part in kind.fields)
    else:
        inner = _simple(kind, value)
    return f'<{name} xsi:type="{xsi_type}">{inner}</{name}>'


def _array(name: str, kind: Array, values: list[Any]) -> str:
    items = "".join(_element("item", kind.item, value) for value in values)
    return (
        f'<{name} xsi:type="soapenc:Array" soapenc:arrayType="{_qname(kind.item)}[{len(values)}]"'
        f' xmlns:soapenc="{SOAP_ENCODING}">{items}</{name}>'
    )


def _qname(kind: Type) -> str:
    return f"xsd:{kind.name}" if isinstance(kind, Scalar) else f"ns1:{kind.name}"


def _simple(kind: Scalar | Enumeration, value: Any) -> str:
    if isinstance(value, datetime):
        return date_time(value)
    if isinstance(kind, Enumeration):
        return kind.aliases.get(value, value)
    if kind is BOOLEAN:
        return "true" if value else "false"
    return escape(str(value))


def date_time(value: datetime) -> str:
    """UTC with milliseconds, the form every Axis understands."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
