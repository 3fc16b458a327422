"""The bodies of HTTP transfers: what came so far, and what is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

import httpx

from grms.broker.ports.staging import Moved
from grms.errors import ErrorCode
from grms.jobside import trees
from grms.staging.answers import Whole, starts_at, whole
from grms.staging.copying import ChangedError
from grms.staging.faults import site_fault, user_fault
from grms.staging.urls import shown


class Download:
    """How far a download has come, over all its tries."""

    def __init__(self, url: str, file: BinaryIO) -> None:
        self.url = url
        self.file = file
        self.whole = Whole(None, "", {})
        self._restart()

    def _restart(self) -> None:
        self.size = 0
        self.digest = hashlib.sha256()
        self.others = {name: hashlib.new(name) for name in self.whole.digests}
        self.file.seek(0)
        self.file.truncate()

    def headers(self) -> dict[str, str]:
        """What asks for the rest of the same file."""
        if not self.size or not self.whole.etag:
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": self.whole.etag}

    def begin(self, response: httpx.Response) -> None:
        """Go on from where we are (206), or start anew (200)."""
        if response.status_code == 206 and self.size:
            if starts_at(response.headers) == self.size:
                return
            self.whole = Whole(None, "", {})
            raise site_fault(shown(self.url), "the server answers with another range than asked")
        if response.status_code != 200:
            raise user_fault(
                shown(self.url),
                f"the server answers {response.status_code}, which is not a whole file",
                ErrorCode.TRANSFER_FAILED,
            )
        chunked = "chunked" in response.headers.get("transfer-encoding", "")
        self.whole = whole(response.headers)
        if self.whole.length is None and not chunked and not self.whole.digests:
            raise user_fault(
                shown(self.url),
                "the server tells neither a length nor a digest, so a whole file cannot be told "
                "from half a file",
                ErrorCode.TRANSFER_FAILED,
            )
        self._restart()

    def take(self, chunk: bytes) -> None:
        """Write a chunk."""
        self.file.write(chunk)
        self.digest.update(chunk)
        for other in self.others.values():
            other.update(chunk)
        self.size += len(chunk)

    def complete(self) -> None:
        """Compare with what the server promised."""
        length = self.whole.length
        if length is not None and self.size != length:
            raise site_fault(shown(self.url), f"{self.size} bytes came instead of {length}")
        for name, other in self.others.items():
            if other.digest() != self.whole.digests[name]:
                self.whole = Whole(None, "", {})
                raise site_fault(shown(self.url), f"the {name} is not the one the server promised")

    def finish(self) -> Moved:
        """Flush; the answer says what came."""
        self.file.flush()
        return Moved(self.size, sha256=self.digest.hexdigest())


class Body:
    """A file as the body of a request; it can be sent again after a redirect."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self.digest = hashlib.sha256()

    def chunks(self) -> Iterator[bytes]:
        """The file from its start. Raises ChangedError when it became shorter."""
        self._file.seek(0)
        self.digest = hashlib.sha256()
        left = self._size
        while left:
            chunk = self._file.read(min(trees.CHUNK, left))
            if not chunk:
                raise ChangedError
            self.digest.update(chunk)
            left -= len(chunk)
            yield chunk
