"""Takes secrets out of what leaves the house: passwords in URLs, tokens, keys. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from pathlib import PurePath

from grms.broker.records import Json

HIDDEN = "[redacted]"
_NAME = r"(?:pass(?:word|wd|phrase)|secret|token|credential|(?:api|access|private)_?key|signature)"
_ELEMENT = rf"<[\w:]+\s[^>]*\bname\s*=\s*[\"'][^\"']*{_NAME}[^\"']*[\"'][^>]*>"
_SECRET_NAME = re.compile(rf"{_NAME}|authorization|cookie", re.IGNORECASE)
_PATTERNS = (
    # scheme://user:password@host
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@\"'<>]*):[^\s/@\"'<>]+@", re.I), rf"\1:{HIDDEN}@"),
    # ?token=..., &X-Amz-Signature=..., password=...
    (
        re.compile(rf"([\w.-]*(?:{_NAME})[\w.-]*\s*=\s*)(?![\"'])[^\s&;\"'<>]+", re.I),
        rf"\1{HIDDEN}",
    ),
    (re.compile(rf"([\w.-]*(?:{_NAME})[\w.-]*\s*=\s*)([\"']).*?\2", re.I), rf"\1\2{HIDDEN}\2"),
    (re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{8,}", re.I), rf"\1 {HIDDEN}"),
    # <variable name="DB_PASSWORD">...</variable> of a job description
    (re.compile(rf"({_ELEMENT})[^<]+", re.I), rf"\1{HIDDEN}"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END[^-]*-----|\Z)", re.S), HIDDEN),
)  # fmt: skip


def redact_text(text: str) -> str:
    """``text`` with what looks like a secret replaced."""
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def redacted(value: object, name: str = "") -> Json:
    """``value`` (records, mappings, sequences, texts) as JSON values without secrets.

    What is kept under a name that speaks of a secret is replaced whole.
    """
    if name and value and _SECRET_NAME.search(name):
        return HIDDEN
    if value is None or isinstance(value, bool | int | float):
        return value if not isinstance(value, Enum) else value.name
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, str | PurePath):
        return redact_text(str(value))
    if isinstance(value, date):
        return value.isoformat()
    return _container(value)


def _container(value: object) -> Json:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: redacted(getattr(value, f.name), f.name) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): redacted(item, str(key)) for key, item in value.items()}
    if isinstance(value, frozenset | set):
        return sorted((redacted(item) for item in value), key=str)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [redacted(item) for item in value]
    return redact_text(repr(value))
