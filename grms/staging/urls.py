"""What the stagers read out of a URL."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

from grms.errors import ErrorCode, StagingError
from grms.staging.faults import user_fault

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_FILE = re.compile(r"file:(?://(?P<host>[^/$]*)(?=/|\$)|(?=/(?!/)))(?P<path>.*)", re.I | re.S)
_HOME = re.compile(r"/*\$\{HOME\}")


def scheme(url: str) -> str:
    """The scheme in lower case, "" where there is none."""
    match = _SCHEME.match(url)
    return match[1].lower() if match else ""


def file_path(url: str, home: str) -> str:
    """The absolute path of a ``file:`` URL with one, three or four slashes.

    ``%20`` and its like are decoded; a leading ``${HOME}`` is ``home``. Raises StagingError.
    """
    match = _FILE.fullmatch(url)
    if match is None:
        raise user_fault(url, "a file: URL looks like file:///absolute/path")
    host, path = match["host"] or "", unquote(match["path"])
    if host.lower() not in ("", "localhost"):
        raise user_fault(
            url,
            f"it names a file on the host {host!r}, and only files of the broker's own host can be "
            "had; leave the host out, or use a URL that the host serves",
        )
    if _HOME.match(path):
        if not home:
            raise user_fault(url, "${HOME} is not known here; write the absolute path")
        path = home + _HOME.sub("", path, count=1)
    if "\0" in path or "${" in path:
        raise user_fault(url, "the path holds a NUL or a variable; only ${HOME} in front is known")
    return "/" + path.lstrip("/")


def shown(url: str) -> str:
    """The URL without what a log must not keep: the password."""
    try:
        parts = urlsplit(url)
        if parts.password is None:
            return url
        netloc = f"{parts.username}:***@{parts.netloc.rpartition('@')[2]}"
        return urlunsplit(parts._replace(netloc=netloc))
    except ValueError:
        return url


def unsupported(url: str, known: tuple[str, ...]) -> StagingError:
    """The refusal of a scheme that no stager knows."""
    name = scheme(url)
    what = f"the scheme {name}: is not supported" if name else "it has no scheme"
    return user_fault(
        url, f"{what}; supported: {', '.join(f'{item}:' for item in known)}",
        ErrorCode.UNSUPPORTED_URL,
    )  # fmt: skip
