"""What a URL of a job description says, without touching what it names."""

from __future__ import annotations

import re
from urllib.parse import unquote

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_FILE = re.compile(r"file:(?:///+|/(?!/)|//localhost/+)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)


def scheme(url: str) -> str:
    """The scheme of ``url`` in lower case; empty when it has none."""
    match = _SCHEME.match(url)
    return match[1].lower() if match else ""


def local_path(url: str) -> str | None:
    """The absolute path that a ``file:`` URL names; None for every other URL.

    One, three and more slashes mean the same, as historical clients wrote ``file:///`` before an
    absolute path; ``%20`` and its like are decoded. A path that begins with a variable, as in
    ``file:///${HOME}/run``, is returned as ``${HOME}/run``: whoever runs the job expands it.
    """
    match = _FILE.fullmatch(url)
    if match is None:
        return None
    path = unquote(match["rest"])
    return path if path.startswith("${") else "/" + path.lstrip("/")
