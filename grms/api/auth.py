"""Who calls: a token (Basic or Bearer), a name that a trusted proxy vouches for, or nobody."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from starlette.datastructures import Headers

from grms.broker.access import token_digest
from grms.broker.ports.store import PrincipalStore
from grms.broker.records import Principal
from grms.config import Settings
from grms.errors import AccessError, ErrorCode

#: What a 401 answer has to carry (RFC 9110, section 11.6.1).
CHALLENGE = 'Basic realm="grms", charset="UTF-8", Bearer realm="grms"'


def authenticate(headers: Headers, store: PrincipalStore, settings: Settings) -> Principal:
    """The caller. Raises AccessError: NOT_AUTHENTICATED without valid credentials (HTTP 401),
    NOT_ALLOWED for a distinguished name that is not registered (HTTP 403).

    Credentials that are given must be right; they never fall back to a weaker way.
    """
    given = headers.getlist("authorization")
    if given:
        return _by_token(_only(given, "Authorization"), store)
    if settings.proxy_dn_header:
        names = [name for name in headers.getlist(settings.proxy_dn_header) if name]
        if names:
            return _by_name(_only(names, settings.proxy_dn_header), store)
    if settings.anonymous:
        return store.principal(settings.anonymous) or Principal(settings.anonymous)
    raise _unknown("credentials are needed: HTTP Basic with the token as password, or Bearer")


def _only(values: Sequence[str], header: str) -> str:
    """A second header of the name would let one part of the way see another caller."""
    if len(values) > 1:
        raise _unknown(f"the header {header} is given {len(values)} times")
    return values[0]


def _by_token(header: str, store: PrincipalStore) -> Principal:
    """The look-up goes by digest, so its timing tells nothing about the token."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        token = rest.strip()
    elif scheme.lower() == "basic":
        token = _password(rest.strip())
    else:
        raise _unknown(f"the scheme {scheme[:20]!r} is not known; use Basic or Bearer")
    principal = store.principal_by_token(token_digest(token)) if token else None
    if principal is None:
        raise _unknown("the token is not valid")
    return principal


def _password(encoded: str) -> str:
    try:
        pair = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise _unknown("the Basic credentials are not base64 of name:token") from None
    return pair.partition(":")[2]


def _by_name(raw: str, store: PrincipalStore) -> Principal:
    try:
        name = raw.encode("latin-1").decode()
    except UnicodeDecodeError:
        name = raw
    principal = store.principal(name)
    if principal is None:
        raise AccessError(f"{name} is not registered here; ask the operator to add that name")
    return principal


def _unknown(message: str) -> AccessError:
    return AccessError(message, code=ErrorCode.NOT_AUTHENTICATED)
