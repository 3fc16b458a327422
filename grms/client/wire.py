"""The way to the broker: one POST per call, tried again only where that is safe."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from grms.client import soap
from grms.client.errors import BadAnswerError, RefusedError, UnreachableError
from grms.errors import AccessError, ConfigError, ErrorCode, GrmsError, RequestError

PATH = "/axis/services/grms"

#: What a proxy or a starting server says when nobody handled the request.
_NOT_NOW = frozenset({429, 502, 503, 504})
_MAX_WAIT = 60.0
_T = TypeVar("_T")


def endpoint(server: str) -> str:
    """The URL of the service: the path is added where only a host is given.

    Raises ConfigError for what is not an http or https URL.
    """
    server = server.strip()
    try:
        url = urlsplit(server)
        good = url.scheme in ("http", "https") and url.hostname and (url.port is None or url.port)
    except ValueError:
        good = False
    if not good:
        raise ConfigError(
            f"{server!r} is not the address of a broker; "
            f"write it as http://host:port or http://host:port{PATH}"
        )
    return server if url.path.strip("/") else server.rstrip("/") + PATH


def base(url: str) -> str:
    """Where the JSON resources of the broker begin, from the URL of its SOAP service."""
    if url.rstrip("/").endswith(PATH):
        return url.rstrip("/").removesuffix(PATH)
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def pauses(tries: int) -> list[float]:
    """Seconds between ``tries`` attempts: 0.5 doubling up to 8, with up to a quarter of jitter."""
    bases = [min(0.5 * 2**n, 8.0) for n in range(tries - 1)]
    return [base * random.uniform(0.75, 1.25) for base in bases]  # noqa: S311 - only spreads load


class Wire:
    """One connection pool to one broker. Not for several threads at once."""

    def __init__(
        self,
        server: str,
        *,
        token: str = "",
        timeout: float = 60.0,
        tries: int = 5,
        sleep: Callable[[float], None] = time.sleep,
        warn: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.url = endpoint(server)
        self._tries = max(1, tries)
        self._sleep = sleep
        self._warn = warn
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        limit = httpx.Timeout(timeout, connect=min(timeout, 10.0))
        # Reading the authorities takes longer than a call, and http has no use for them.
        verify = urlsplit(self.url).scheme == "https"
        self._http = httpx.Client(timeout=limit, headers=headers, verify=verify)

    def close(self) -> None:
        """Give back the sockets."""
        self._http.close()

    def call(
        self,
        operation: str,
        parts: Sequence[tuple[str, soap.Value]],
        *,
        repeatable: bool = True,
        key: str = "",
        plain: bool = False,
        itemised: bool = False,
    ) -> soap.Part:
        """Call and check ``<operation>Return``; ``plain`` operations have no error code in it.

        ``itemised`` operations count ``errors`` and give each item its own verdict: where they
        do, the error code of the whole is left to the caller.

        A call that surely never arrived is tried again; one that may have arrived only if
        ``repeatable``. ``key`` goes along as ``Idempotency-Key``, the same for every try.
        """
        envelope = soap.encode(operation, parts)
        headers = {"Idempotency-Key": key} if key else {}
        return self._patiently(
            lambda: self._once(operation, envelope, headers, plain, itemised), repeatable
        )

    def fetch(self, path: str, content: str | None = None) -> dict[str, Any]:
        """The JSON object at ``path`` of the broker: POST of ``content``, GET without.

        Only for what changes nothing: it is repeated as often as a call may be.
        """
        url = f"{base(self.url)}{path}"
        return self._patiently(lambda: self._fetch_once(url, content), True)

    def _fetch_once(self, url: str, content: str | None) -> dict[str, Any]:
        body = None if content is None else content.encode("utf-8", "surrogatepass")
        response = self._send("GET" if body is None else "POST", url, body, {})
        try:
            found = response.json()
        except ValueError:
            found = None
        if isinstance(found, dict) and isinstance(told := found.get("error"), dict):
            if response.status_code != 401:
                raise RefusedError(int(told.get("code") or 0), str(told.get("message") or ""))
        elif isinstance(found, dict) and response.status_code == 200:
            return found
        _check_status(response, url)
        raise BadAnswerError(
            f"{url}: the answer is not the JSON of a GRMS broker (HTTP {response.status_code})"
        )

    def _patiently(self, once: Callable[[], _T], repeatable: bool) -> _T:
        for pause in [*pauses(self._tries), None]:
            try:
                return once()
            except GrmsError as error:
                lost = isinstance(error, UnreachableError) and not error.sent
                if pause is None or not (error.transient and (repeatable or lost)):
                    raise
                wanted = error.wait if isinstance(error, UnreachableError) else 0.0
                self._sleep(max(pause, wanted))
        raise AssertionError("unreachable: the last try returns or raises")

    def _once(
        self,
        operation: str,
        envelope: bytes,
        headers: dict[str, str],
        plain: bool,
        itemised: bool,
    ) -> soap.Part:
        response = self._send("POST", self.url, envelope, headers)
        _check_status(response, self.url)
        try:
            answer = soap.decode(operation, response.content)
        except BadAnswerError as error:
            kind = response.headers.get("content-type", "no content type")
            raise BadAnswerError(
                f"{self.url}: {error.message} (HTTP {response.status_code}, {kind}); "
                "is this the address of a GRMS broker?"
            ) from error
        if not plain and not (itemised and answer.number("errors")):
            self._check_return(operation, answer)
        return answer

    def _send(
        self, method: str, url: str, content: bytes | None, headers: dict[str, str]
    ) -> httpx.Response:
        try:
            return self._http.request(method, url, content=content, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            text = f"cannot reach the broker at {url}: {error}"
            raise UnreachableError(text, sent=False) from error
        except httpx.TimeoutException as error:
            raise UnreachableError(f"no answer from {url} in time", sent=True) from error
        except httpx.TransportError as error:
            text = f"the connection to {url} broke: {error}"
            raise UnreachableError(text, sent=True) from error
        except httpx.RequestError as error:
            raise BadAnswerError(f"{url}: {error}") from error

    def _check_return(self, operation: str, answer: soap.Part) -> None:
        verdict = answer.get(f"{operation}Return")
        if verdict is None or not verdict.string("errorCode").strip():
            raise BadAnswerError(f"{self.url}: the answer to {operation} holds no error code")
        number, message = verdict.number("errorCode"), verdict.string("errorMessage")
        if number == ErrorCode.STORED_ONLY:
            self._warn(message or "accepted, but carried out only in part")
        elif number:
            raise RefusedError(number, message)


def _check_status(response: httpx.Response, url: str) -> None:
    """Raise for an HTTP status that carries no SOAP answer. 200 and 500 do."""
    status = response.status_code
    if status in _NOT_NOW:
        wait = _seconds(response.headers.get("retry-after", ""))
        raise UnreachableError(
            f"the broker at {url} is not ready (HTTP {status})", sent=True, wait=wait
        )
    if status == 401:
        raise AccessError(
            f"the broker at {url} does not know you; give your token with --token-file, "
            "GRMS_TOKEN_FILE or GRMS_TOKEN (an administrator issues it)",
            code=ErrorCode.NOT_AUTHENTICATED,
        )
    if status == 403:
        raise AccessError(f"the broker at {url} does not let you do this{_said(response)}")
    if status == 413:
        raise RequestError(
            f"the request is larger than {url} takes{_said(response)}",
            code=ErrorCode.TOO_LARGE,
        )
    if 300 <= status < 400:
        place = response.headers.get("location", "nowhere")
        raise BadAnswerError(f"{url} has moved to {place}; use that address as the server")
    if status == 404:
        raise BadAnswerError(f"{url} does not exist there (HTTP 404); check the server's address")


def _said(response: httpx.Response) -> str:
    """The text of the SOAP Fault that came along, after a colon; "" without one."""
    try:
        soap.decode("", response.content)
    except RefusedError as error:
        return f": {error.message}"
    except BadAnswerError:
        pass
    return ""


def _seconds(retry_after: str) -> float:
    return min(float(retry_after), _MAX_WAIT) if retry_after.strip().isdigit() else 0.0
