"""The same operations as document/literal, for clients of today; spyne does the protocol.

Overloads, which document/literal cannot have, get names of their own (``Operation.method``).
The envelope is parsed by ``grms.api.envelope``, so both faces refuse the same things, and
references (``href``) are not followed here.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from lxml import etree

from grms.api import spyne_shim as spyne
from grms.api.envelope import MalformedError, Served, body_of, fault, legal, parse
from grms.api.handlers import Call, answer
from grms.api.operations import (
    BOOLEAN,
    DATE_TIME,
    INT,
    NAMESPACE,
    OPERATIONS,
    STRING,
    Array,
    Enumeration,
    Operation,
    Scalar,
    Struct,
    Type,
)
from grms.errors import ErrorCode, GrmsError

log = logging.getLogger(__name__)

_SCALARS = {
    STRING: spyne.Unicode,
    INT: spyne.Integer32,
    BOOLEAN: spyne.Boolean,
    DATE_TIME: spyne.DateTime,
}


@dataclass(slots=True)
class _Exchange:
    """What travels through spyne beside its own context."""

    call: Call
    root: etree._Element
    code: int = ErrorCode.BAD_REQUEST


class _Soap11(spyne.Soap11):  # type: ignore[misc]
    """Takes the envelope that was parsed before, and leaves references alone."""

    def create_in_document(self, ctx: Any, charset: str | None = None) -> None:  # noqa: ARG002
        ctx.in_document = (ctx.udc.root, {})


class _Server(spyne.ServerBase):  # type: ignore[misc]
    transport = "http://schemas.xmlsoap.org/soap/http"


class Literal:
    """The document/literal face. Its methods block: call them in a thread."""

    def __init__(self) -> None:
        methods = {operation.method: _method(operation) for operation in OPERATIONS}
        service = type("grms", (spyne.ServiceBase,), methods)
        application = spyne.Application(
            [service], NAMESPACE, "grms", _Soap11(validator="lxml"), _Soap11()
        )
        self._server = _Server(application)
        self._interface = application.interface
        # The validator of lxml keeps the errors of the last document it saw.
        self._reading = threading.Lock()

    def wsdl(self, address: str) -> bytes:
        """The WSDL for a service at ``address``."""
        document = spyne.Wsdl11(self._interface)
        document.build_interface_document(address)
        return bytes(document.get_interface_document())

    def serve(self, call: Call, body: bytes, charset: str = "") -> Served:
        """Answer one envelope. Never raises for what a caller sent."""
        try:
            root = parse(body, charset)
            if not len(body_of(root)):
                raise MalformedError("the Body is empty; it must hold one operation")
        except MalformedError as error:
            return error.served()
        exchange = _Exchange(call, root)
        try:
            return self._exchange(exchange)
        except Exception:
            log.exception("document/literal call of %r failed", call.caller.name)
            return Served(fault("Server", "internal error"), 500, "-", ErrorCode.INTERNAL)

    def _exchange(self, exchange: _Exchange) -> Served:
        server = self._server
        first = spyne.MethodContext(server, spyne.MethodContext.SERVER)
        first.udc = exchange
        with self._reading:
            context = server.generate_contexts(first)[0]
            if context.in_error is None:
                server.get_in_object(context)
        if context.in_error is None:
            server.get_out_object(context)
        else:
            context.out_error = context.in_error
        server.get_out_string(context)
        content = b"".join(context.out_string)
        name = context.descriptor.name if context.descriptor else "-"
        status = 200 if context.out_error is None else 500
        context.close()
        return Served(content, status, name, exchange.code)


def _method(operation: Operation) -> Any:
    """One method of the spyne service: its values to plain ones, the answer, and back."""

    def method(ctx: Any, *values: Any) -> Any:
        parts = {
            part.name: _plain(value) for part, value in zip(operation.ins, values, strict=True)
        }
        try:
            outs, ctx.udc.code = answer(ctx.udc.call, operation, parts)
        except GrmsError as error:
            ctx.udc.code = error.code
            raise spyne.Fault("Server", legal(str(error))) from error
        results = [_model(part.type, outs[part.name]) for part in operation.outs]
        return results if len(results) > 1 else results[0]

    method.__name__ = operation.method
    method.__doc__ = operation.doc
    wrap: Callable[[Any], Any] = spyne.rpc(
        *[_type(part.type) for part in operation.ins],
        _args=[part.name for part in operation.ins],
        _returns=[_type(part.type) for part in operation.outs],
        _out_variable_names=[part.name for part in operation.outs],
    )
    return wrap(method)


@cache
def _type(kind: Type) -> Any:
    """The spyne type of ours."""
    if isinstance(kind, Scalar):
        return _SCALARS[kind].customize(min_occurs=0, nillable=True)
    if isinstance(kind, Enumeration):
        return spyne.Enum(*kind.values, type_name=kind.name)
    if isinstance(kind, Array):
        return spyne.Array(_type(kind.item))
    fields = [(part.name, _type(part.type)) for part in kind.fields]
    space = {"__namespace__": NAMESPACE, "__type_name__": kind.name, "_type_info": fields}
    return type(kind.name, (spyne.ComplexModel,), space)


def _plain(value: Any) -> Any:
    """A value of spyne's as ``grms.api.handlers`` takes it."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, spyne.ComplexModel):
        names = type(value)._type_info
        return {name: _plain(getattr(value, name)) for name in names}
    return str(value)


def _model(kind: Type, value: Any) -> Any:
    """A value of ``grms.api.handlers`` as spyne takes it."""
    if value is None:
        return None
    if isinstance(kind, Struct):
        fields = {part.name: _model(part.type, value[part.name]) for part in kind.fields}
        return _type(kind)(**fields)
    if isinstance(kind, Array):
        return [_model(kind.item, item) for item in value]
    if isinstance(kind, Enumeration):
        return getattr(_type(kind), value)
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return legal(value) if isinstance(value, str) else value
