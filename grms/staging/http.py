"""``http:`` and ``https:`` URLs: GET to fetch, PUT to deliver."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import quote, urljoin, urlsplit

import httpx

from grms import __version__
from grms.broker.ports.staging import Moved
from grms.errors import ErrorCode, StagingError
from grms.jobside import trees
from grms.staging.answers import refusal, whole
from grms.staging.bodies import Body, Download
from grms.staging.copying import ChangedError
from grms.staging.faults import LaterError, os_fault, site_fault, user_fault
from grms.staging.urls import shown

_T = TypeVar("_T")
_REDIRECTS = 5
_TRIES = 4
#: The longest pause within one call, in seconds; longer ones are the engine's business.
_PATIENCE = 5.0


class HttpStager:
    """``grms.broker.ports.staging.Stager`` for ``http:`` and ``https:``. Thread-safe.

    Certificates are verified by the system's authorities; proxies of the environment are not
    used. ``timeout`` in seconds bounds the connect and each silence, not the whole transfer.
    ``pause`` is where the time between two tries within one call is spent.
    """

    def __init__(
        self,
        *,
        timeout: float = 60.0,
        pause: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._pause = pause
        self._client = httpx.Client(
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(timeout, connect=min(timeout, 20.0)),
            headers={"Accept-Encoding": "identity", "User-Agent": f"grms/{__version__}"},
            transport=transport,
        )

    def close(self) -> None:
        """Give up kept connections; the stager cannot be used afterwards."""
        self._client.close()

    def check(self, url: str, *, writing: bool) -> None:  # noqa: ARG002
        """See the port."""
        _parse(url)

    def size(self, url: str) -> int | None:
        """See the port."""
        try:
            with self._answer("HEAD", url) as response:
                return whole(response.headers).length if response.status_code == 200 else None
        except StagingError:
            return None

    def fetch(self, url: str, target: Path, *, directory: bool = False) -> Moved:
        """See the port. A broken transfer goes on where it broke, if the ETag is strong."""
        _parse(url)
        if directory:
            raise user_fault(
                url,
                "directories cannot be listed over HTTP; pack one into a tar file and name that "
                "as a file, or use a file: URL",
                ErrorCode.UNSUPPORTED_URL,
            )
        part = Path(os.fsdecode(trees.temporary(os.fsencode(target))))
        with _told(url):
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with part.open("xb") as file:
                    moved = self._download(url, file)
                    os.fsync(file.fileno())
                part.rename(target)
            finally:
                part.unlink(missing_ok=True)
            trees.sync_directory(os.fsencode(target.parent))
        return moved

    def deliver(self, source: Path, url: str, *, directory: bool = False) -> Moved:
        """See the port. A directory is delivered file by file, each below ``url``."""
        _parse(url)
        with _told(url):
            if not directory:
                return self._repeat(lambda: self._upload(source, url))
            return self._deliver_tree(source, url)

    def _deliver_tree(self, source: Path, url: str) -> Moved:
        listing = trees.entries(os.fsencode(source))
        if listing[0][0] != "d":
            raise user_fault(url, f"{source} is not a directory; describe it as a file")
        size = files = 0
        for kind, name in listing:
            if kind == "l":
                raise user_fault(url, f"{os.fsdecode(name)} is a link; HTTP knows only files")
            if kind == "f":
                place = f"{url.rstrip('/')}/{quote(name)}"
                path = source / os.fsdecode(name)
                moved = self._repeat(lambda path=path, place=place: self._upload(path, place))  # type: ignore[misc]
                size, files = size + moved.size, files + 1
        return Moved(size, files)

    def _repeat(self, act: Callable[[], _T]) -> _T:
        for number in range(1, _TRIES):
            try:
                return act()
            except StagingError as error:
                if not error.transient or not self._wait(error, number):
                    raise
        return act()

    def _wait(self, error: StagingError, number: int) -> bool:
        """Pause before the next try; False when the server asks for more than we give."""
        pause = error.retry_after if isinstance(error, LaterError) else None
        if pause is not None and pause > _PATIENCE:
            return False
        self._pause(min(_PATIENCE, 0.25 * 2**number) if pause is None else pause)
        return True

    def _download(self, url: str, file: BinaryIO) -> Moved:
        state = Download(url, file)
        self._repeat(lambda: self._continue(state))
        return state.finish()

    def _continue(self, state: Download) -> None:
        with self._answer("GET", state.url, headers=state.headers()) as response:
            state.begin(response)
            for chunk in response.iter_raw(trees.CHUNK):
                state.take(chunk)
        state.complete()

    def _upload(self, source: Path, url: str) -> Moved:
        with source.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            body = Body(file, size)
            headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
            with self._answer("PUT", url, headers=headers, body=body) as response:
                if response.status_code not in (200, 201, 204):
                    raise user_fault(
                        url,
                        f"the server answers {response.status_code} to PUT; that says nothing "
                        "about the file being there",
                        ErrorCode.TRANSFER_FAILED,
                    )
        self._confirm(url, size)
        return Moved(size, sha256=body.digest.hexdigest())

    def _confirm(self, url: str, size: int) -> None:
        """Ask for the length of what was put; a server that does not tell is taken at its word."""
        try:
            with self._answer("HEAD", url) as response:
                there = whole(response.headers).length
        except StagingError as error:
            if error.code is ErrorCode.FILE_NOT_FOUND:
                raise site_fault(url, "it was put with success, but it is not there") from error
            return
        if there not in (None, size):
            raise site_fault(url, f"{size} bytes were put, but {there} are there")

    @contextmanager
    def _answer(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        body: Body | None = None,
    ) -> Iterator[httpx.Response]:
        """The successful answer, after redirects. Raises StagingError for all others."""
        place = url
        for _ in range(_REDIRECTS + 1):
            content = body.chunks() if body is not None else None
            try:
                with self._client.stream(
                    method, place, headers=headers, content=content
                ) as response:
                    if response.is_success:
                        yield response
                        return
                    place = _redirected(url, place, method, response)
            except httpx.HTTPError as error:
                raise site_fault(shown(url), _reason(error)) from error
            except httpx.InvalidURL as error:
                raise user_fault(shown(url), str(error), ErrorCode.UNSUPPORTED_URL) from error
        raise user_fault(shown(url), f"it redirects more than {_REDIRECTS} times")


def _parse(url: str) -> None:
    try:
        parts = urlsplit(url)
        ok = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        ok = False
    if not ok or any(ord(character) < 33 for character in url):
        raise user_fault(url, "a URL looks like https://host:port/path", ErrorCode.UNSUPPORTED_URL)


def _redirected(url: str, place: str, method: str, response: httpx.Response) -> str:
    """Where a redirect leads. Raises StagingError for every other answer."""
    status, target = response.status_code, response.headers.get("location")
    if status not in (301, 302, 303, 307, 308) or not target:
        raise refusal(shown(url), status, response.reason_phrase, response.headers)
    if method == "PUT" and status not in (307, 308):
        raise user_fault(shown(url), f"it answers PUT with a redirect {status}; give the real URL")
    new = str(urljoin(place, target))
    kinds = urlsplit(place).scheme, urlsplit(new).scheme
    if kinds[1] not in ("http", "https") or kinds == ("https", "http"):
        raise user_fault(shown(url), f"it redirects to {shown(new)}, which is not followed")
    return new


def _reason(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "the server was silent for too long"
    return str(error) or type(error).__name__


@contextmanager
def _told(url: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise os_fault(shown(url), error) from error
    except trees.RefusedError as error:
        raise user_fault(shown(url), str(error)) from error
    except ChangedError as error:
        raise site_fault(shown(url), "the file became shorter while it was sent") from error
