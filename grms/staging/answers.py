"""What an HTTP answer means for a transfer; pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from grms.errors import ErrorCode, StagingError
from grms.staging.faults import LaterError, site_fault, user_fault

_REFUSED = {401, 402, 403, 405, 407, 423, 451}
_GONE = {404, 410}
_AGAIN = {408, 409, 425, 429}
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
#: Names of hashes in Digest (RFC 3230) and Repr-Digest, Content-Digest (RFC 9530).
_ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512", "sha": "sha1", "md5": "md5"}


class Hash(Protocol):
    """A running hash."""

    def update(self, data: bytes, /) -> None: ...  # noqa: D102
    def digest(self) -> bytes: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Whole:
    """What a server says about the whole file: length, strong ETag, digests by hashlib name."""

    length: int | None
    etag: str
    digests: Mapping[str, bytes]


def whole(headers: Mapping[str, str], *, partial: bool = False) -> Whole:
    """Read the headers of a 200, or with ``partial`` of a 206."""
    etag = headers.get("etag", "")
    length = None
    if partial:
        match = _RANGE.match(headers.get("content-range", ""))
        length = int(match[3]) if match and match[3] != "*" else None
    elif headers.get("content-length", "").isdigit():
        length = int(headers["content-length"])
    strong = etag if etag and not etag.startswith("W/") else ""
    return Whole(length, strong, digests(headers, partial=partial))


def digests(headers: Mapping[str, str], *, partial: bool = False) -> dict[str, bytes]:
    """The digests of the whole file; Content-MD5 and Content-Digest are of the body alone."""
    names = ["digest", "repr-digest"] + ([] if partial else ["content-digest"])
    found: dict[str, bytes] = {}
    for header in names:
        for item in headers.get(header, "").split(","):
            name, _, value = item.strip().partition("=")
            _take(found, _ALGORITHMS.get(name.lower(), ""), value.strip(":"))
    if not partial:
        _take(found, "md5", headers.get("content-md5", ""))
    return found


def _take(found: dict[str, bytes], algorithm: str, value: str) -> None:
    try:
        content = base64.b64decode(value, validate=True)
    except ValueError:
        return
    if algorithm and content:
        found[algorithm] = content


def starts_at(headers: Mapping[str, str]) -> int | None:
    """Where the body of a 206 begins."""
    match = _RANGE.match(headers.get("content-range", ""))
    return int(match[1]) if match else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds of Retry-After; dates are left out."""
    value = headers.get("retry-after", "")
    return float(value) if value.isdigit() else None


def refusal(url: str, status: int, phrase: str, headers: Mapping[str, str]) -> StagingError:
    """The error for an answer that is no success."""
    reason = f"the server answers {status} {phrase}".rstrip()
    if status in _GONE:
        return user_fault(url, reason, ErrorCode.FILE_NOT_FOUND)
    if status in _REFUSED:
        return user_fault(url, reason)
    if status == 507:
        return site_fault(url, reason, ErrorCode.NO_SPACE)
    if status in _AGAIN or status >= 500:
        pause = retry_after(headers)
        later = f"; it asks to wait {pause:.0f} s" if pause is not None else ""
        error = LaterError(f"{url}: {reason}{later}")
        error.retry_after = pause
        return error
    return user_fault(url, reason, ErrorCode.TRANSFER_FAILED)
