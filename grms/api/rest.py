"""What the SOAP contract has no words for, as JSON: why a job goes where, and its whole story.

``POST /resources/explain`` (body: a job description), ``GET /jobs/{id}/explain``,
``GET /jobs/{id}/events?after=N``. Callers are authenticated as for SOAP. ``POST /jobs/{id}/told``
is for the job itself, with its own token. An error is ``{"error": {"code", "name", "message"}}``
with the number and name of ``docs/reference/errors.md``.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from grms.api.auth import CHALLENGE, authenticate
from grms.broker.ports.store import Store
from grms.broker.records import JobEvent, Principal
from grms.broker.service import Service
from grms.broker.verdicts import Verdict
from grms.config import Settings
from grms.errors import AccessError, ErrorCode, GrmsError, RequestError

log = logging.getLogger("grms.api")

_STATUS = {
    ErrorCode.NOT_AUTHENTICATED: 401,
    ErrorCode.NOT_ALLOWED: 403,
    ErrorCode.UNKNOWN_JOB: 404,
    ErrorCode.ILLEGAL_STATE: 409,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.STORE_UNAVAILABLE: 503,
    ErrorCode.INTERNAL: 500,
}
#: Answers carried out at once; more wait their turn.
_THREADS = 16
Endpoint = Callable[[Request], Awaitable[Response]]
Work = Callable[[Service, Principal, Request, str], dict[str, Any]]


def routes(service: Service, store: Store, settings: Settings) -> list[Route]:
    """The JSON resources, for the ASGI application."""
    limiter = CapacityLimiter(_THREADS)

    def endpoint(work: Work) -> Endpoint:
        async def answer(request: Request) -> Response:
            try:
                body = await _body(request, settings.max_body)
                call = partial(_call, service, store, settings, request, body, work)
                return JSONResponse(await to_thread.run_sync(call, limiter=limiter))
            except GrmsError as error:
                return _refused(error)

        return answer

    return [
        Route("/resources/explain", endpoint(_explain), methods=["POST"]),
        Route("/jobs/{job_id}/explain", endpoint(_explain_job), methods=["GET"]),
        Route("/jobs/{job_id}/events", endpoint(_events), methods=["GET"]),
        Route("/jobs/{job_id}/told", _told(service, settings, limiter), methods=["POST"]),
    ]


def _told(service: Service, settings: Settings, limiter: CapacityLimiter) -> Endpoint:
    """Where ``grms-job`` posts its messages; the token is that of one run of one job."""

    async def answer(request: Request) -> Response:
        try:
            body = await _body(request, settings.max_body)
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer":
                raise AccessError("a Bearer token is needed", code=ErrorCode.NOT_AUTHENTICATED)
            listen = partial(service.ears.listen, request.path_params["job_id"], token.strip())
            text = await to_thread.run_sync(listen, body.encode(), limiter=limiter)
            return JSONResponse({"text": text})
        except GrmsError as error:
            return _refused(error)

    return answer


def _call(
    service: Service, store: Store, settings: Settings, request: Request, body: str, work: Work
) -> dict[str, Any]:
    caller = authenticate(request.headers, store, settings)
    return work(service, caller, request, body)


def _explain(service: Service, caller: Principal, _request: Request, body: str) -> dict[str, Any]:
    return {"clusters": verdicts(service.explain(caller, body))}


def _explain_job(
    service: Service, caller: Principal, request: Request, _body: str
) -> dict[str, Any]:
    job_id = request.path_params["job_id"]
    return {"jobId": job_id, "clusters": verdicts(service.explain_job(caller, job_id))}


def _events(service: Service, caller: Principal, request: Request, _body: str) -> dict[str, Any]:
    text = request.query_params.get("after", "0")
    if not text.isascii() or not text.isdigit():
        raise RequestError(f"after = {text!r}: expected the number of the last event you know")
    job_id = request.path_params["job_id"]
    found = service.events(caller, job_id, int(text))
    return {"jobId": job_id, "events": [_event(event) for event in found]}


def verdicts(found: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Verdicts as JSON, in their order."""
    return [
        {
            "cluster": item.cluster,
            "contact": item.contact,
            "fits": item.fits,
            "mayFitLater": item.may_fit_later,
            "alternative": item.alternative,
            "queue": item.queue,
            "refusals": [
                {
                    "requirement": refusal.requirement,
                    "wanted": refusal.wanted,
                    "has": refusal.has,
                    "change": refusal.change,
                    "lasting": refusal.lasting,
                    "text": str(refusal),
                }
                for refusal in item.refusals
            ],
        }
        for item in found
    ]


def _event(event: JobEvent) -> dict[str, Any]:
    return {
        "number": event.number,
        "kind": event.kind.value,
        "at": _stamp(event.at),
        "text": event.text,
        "data": dict(event.data),
    }


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _refused(error: GrmsError) -> JSONResponse:
    status = _STATUS.get(error.code, 400)
    if status == 500:
        log.error("%s: %s", error.message, error.detail)
    headers = {"WWW-Authenticate": CHALLENGE} if status == 401 else {}
    told = {"code": int(error.code), "name": error.code.name, "message": error.message}
    return JSONResponse({"error": told}, status, headers)


async def _body(request: Request, limit: int) -> str:
    """The body as UTF-8, at most ``limit`` bytes."""
    kept = bytearray()
    async for chunk in request.stream():
        kept += chunk
        if len(kept) > limit:
            raise RequestError(
                f"the request is larger than {limit} bytes", code=ErrorCode.TOO_LARGE
            )
    try:
        return kept.decode("utf-8")
    except UnicodeDecodeError:
        raise RequestError("the body is not UTF-8") from None
