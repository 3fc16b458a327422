"""The HTTP side: one ASGI application for the SOAP faces, their WSDLs and the health check."""

from __future__ import annotations

import asyncio
import codecs
import html
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from grms.api import metrics, rest, soap_rpc
from grms.api.auth import CHALLENGE, authenticate
from grms.api.envelope import MalformedError, Served, fault
from grms.api.handlers import Call
from grms.api.operations import OPERATIONS
from grms.api.soap_literal import Literal
from grms.api.wsdl import SOAP_ENCODING_XSD, wsdl
from grms.broker.ports.store import JobQuery, Store
from grms.broker.service import Service
from grms.broker.vitals import read_vitals
from grms.config import Settings
from grms.errors import AccessError, ErrorCode, GrmsError, StoreError

log = logging.getLogger("grms.api")

PATH = "/axis/services/grms"
LITERAL_PATH = f"{PATH}/literal"
#: Calls carried out at once; more wait their turn.
THREADS = 32
#: Seconds in which a request's body has to arrive.
BODY_TIME = 60.0
#: Seconds without a turn of the engine after which the service calls itself ill.
ENGINE_SILENCE = 30.0
_XML_TYPES = ("text/xml", "application/xml", "application/soap+xml")
_T = TypeVar("_T")
_Serve = Callable[[Call, bytes, str], Served]


def make_app(
    service: Service, store: Store, settings: Settings, *, with_engine: bool = False
) -> Starlette:
    """The ASGI application over a ``grms.broker.service.Service``.

    ``with_engine``: an engine shall be at work, so ``/healthz`` tells of its silence.
    """
    face = _Face(service, store, settings, with_engine)
    literal = Literal()
    return Starlette(
        routes=[
            Route(PATH, face.endpoint(soap_rpc.serve), methods=["POST"]),
            Route(PATH, _rpc_page, methods=["GET"]),
            Route(LITERAL_PATH, face.endpoint(literal.serve), methods=["POST"]),
            Route(LITERAL_PATH, partial(_literal_page, literal), methods=["GET"]),
            Route("/healthz", face.health, methods=["GET"]),
            Route("/metrics", face.metrics, methods=["GET"]),
            *rest.routes(service, store, settings),
        ]
    )


class _Face:
    """What the endpoints share: who is served, for whom, and with how many threads."""

    def __init__(
        self, service: Service, store: Store, settings: Settings, with_engine: bool
    ) -> None:
        self._service = service
        self._with_engine = with_engine
        self._since = datetime.now(UTC)
        self._store = store
        self._settings = settings
        self._threads = CapacityLimiter(THREADS)

    def endpoint(self, serve: _Serve) -> Callable[[Request], Awaitable[Response]]:
        """The POST side of one SOAP face."""

        async def post(request: Request) -> Response:
            return await self._post(request, serve)

        return post

    async def health(self, _request: Request) -> Response:
        """200 while the store answers and the engine, if one shall be at work, lives; else 503."""
        try:
            await self._in_thread(self._store.clusters)
        except StoreError as error:
            return JSONResponse({"status": "store unavailable", "error": error.message}, 503)
        silence = await self._in_thread(self._engine_silence)
        if self._with_engine and silence > ENGINE_SILENCE:
            text = f"the engine has given no sign of life for {silence:.0f} s; see the log"
            return JSONResponse({"status": "engine silent", "error": text}, 503)
        return JSONResponse({"status": "ok"})

    def _engine_silence(self) -> float:
        """Seconds since the engine's last turn, or since this service began."""
        vitals = read_vitals(self._settings.data_dir)
        latest = max(self._since, vitals.at) if vitals else self._since
        return (datetime.now(UTC) - latest).total_seconds()

    async def metrics(self, _request: Request) -> Response:
        """The figures for a monitor."""
        try:
            text = await self._in_thread(self._figures)
        except StoreError as error:
            return Response(f"# {error.message}\n", 503, media_type="text/plain")
        return Response(text, headers={"Content-Type": metrics.CONTENT_TYPE})

    def _figures(self) -> str:
        parked = len(self._store.job_ids(JobQuery(parked=True)))
        vitals = read_vitals(self._settings.data_dir)
        return metrics.exposition(self._store.state_counts(), parked, vitals, datetime.now(UTC))

    async def _post(self, request: Request, serve: _Serve) -> Response:
        started = time.monotonic()
        caller = "-"
        headers: dict[str, str] = {}
        try:
            charset = _charset(request)
            key = request.headers.get("idempotency-key", "")
            body = await _read(request, self._settings.max_body)
            caller, served = await self._in_thread(
                self._serve, serve, request.headers, key, body, charset
            )
        except MalformedError as error:
            served = error.served()
            if error.status in (408, 413):
                headers["Connection"] = "close"
        except AccessError as error:
            known = error.code is not ErrorCode.NOT_AUTHENTICATED
            served = _refused("Client", error.message, 403 if known else 401, error.code)
            headers |= {} if known else {"WWW-Authenticate": CHALLENGE}
        except GrmsError as error:
            served = _refused("Server", error.message, 503, error.code)
        spent = (time.monotonic() - started) * 1000
        log.info("%r %s code %d, %.1f ms", caller, served.operation, served.code, spent)
        return Response(served.content, served.status, headers, "text/xml")

    def _serve(
        self, serve: _Serve, headers: Headers, key: str, body: bytes, charset: str
    ) -> tuple[str, Served]:
        """Who calls, and what they get."""
        principal = authenticate(headers, self._store, self._settings)
        try:
            return principal.name, serve(Call(self._service, principal, key), body, charset)
        except MalformedError as error:
            return principal.name, error.served()

    async def _in_thread(self, function: Callable[..., _T], *args: Any) -> _T:
        return await to_thread.run_sync(function, *args, limiter=self._threads)


def _refused(code: str, text: str, status: int, error: ErrorCode) -> Served:
    return Served(fault(code, text), status, "-", error)


def _charset(request: Request) -> str:
    """The charset of the Content-Type, "" for none. Raises MalformedError for other than XML."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise MalformedError(f"Content-Encoding {encoding!r}: send it plain", status=415)
    # A page in a browser can send anything but XML to a foreign site without being asked.
    absent = "none" if "origin" in request.headers else "text/xml"
    kind, _, rest = request.headers.get("content-type", absent).partition(";")
    if kind.strip().lower() not in _XML_TYPES:
        raise MalformedError(f"Content-Type {kind.strip()!r}: send text/xml", status=415)
    for parameter in rest.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return _known_charset(value.strip().strip("\"'"))
    return ""


def _known_charset(name: str) -> str:
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        raise MalformedError(f"the charset {name!r} is not known; send utf-8") from None
    return codec.name


async def _read(request: Request, limit: int) -> bytes:
    """The body, refused (413) once it is larger than ``limit`` bytes, or (408) if it is slow."""
    text = f"the request is larger than {limit} bytes"
    too_large = MalformedError(text, status=413, error=ErrorCode.TOO_LARGE)
    announced = request.headers.get("content-length", "")
    waits = request.headers.get("expect", "").lower() == "100-continue"
    if waits and announced.isdigit() and int(announced) > limit:
        raise too_large
    kept = bytearray()
    seen = 0
    try:
        async with asyncio.timeout(BODY_TIME):
            async for chunk in request.stream():
                seen += len(chunk)
                if seen <= limit:
                    kept += chunk
                elif seen > 4 * limit:
                    break  # reading on a little lets the sender see the answer
    except TimeoutError:
        raise MalformedError("the body did not arrive in time", status=408) from None
    except ClientDisconnect:
        raise MalformedError("the caller hung up", status=400) from None
    if seen > limit:
        raise too_large
    return bytes(kept)


def _address(request: Request, path: str) -> str:
    """Where the caller sees ``path``: by the Host header, as it may be behind a proxy."""
    return f"{request.url.scheme}://{request.url.netloc}{path}"


async def _rpc_page(request: Request) -> Response:
    query = request.url.query.lower()
    address = _address(request, PATH)
    if query == "xsd":
        return Response(SOAP_ENCODING_XSD, media_type="text/xml")
    if query == "wsdl":
        return Response(wsdl(address, f"{address}?xsd"), media_type="text/xml")
    return _page("rpc/encoded", [operation.name for operation in OPERATIONS])


async def _literal_page(literal: Literal, request: Request) -> Response:
    if request.url.query.lower() == "wsdl":
        content = await to_thread.run_sync(literal.wsdl, _address(request, LITERAL_PATH))
        return Response(content, media_type="text/xml")
    return _page("document/literal", [operation.method for operation in OPERATIONS])


def _page(style: str, names: list[str]) -> Response:
    items = "".join(f"<li>{html.escape(name)}</li>" for name in dict.fromkeys(names))
    return HTMLResponse(
        "<!DOCTYPE html><html><head><title>GRMS</title></head><body><h1>GRMS</h1>"
        f"<p>A SOAP 1.1 service ({style}): POST calls here; "
        f'<a href="?wsdl">the WSDL</a> describes them.</p><ul>{items}</ul></body></html>'
    )
