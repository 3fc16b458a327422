"""What the stagers read out of a URL."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from grms.errors import ErrorCode, StagingError
from grms.gjd.urls import local_path, scheme
from grms.staging.faults import user_fault

_HOME = "${HOME}"


def file_path(url: str, home: str) -> str:
    """The absolute path of a ``file:`` URL; a leading ``${HOME}`` is ``home``.

    Raises StagingError for other hosts, relative paths and other variables.
    """
    path = local_path(url)
    if path is None:
        raise user_fault(
            url,
            "a file: URL is the absolute path of a file on the broker's own host, as in "
            "file:///home/alice/data; for other hosts use a URL that they serve",
        )
    if path.startswith(_HOME):
        if not home:
            raise user_fault(url, "${HOME} is not known here; write the absolute path")
        path = home + path.removeprefix(_HOME)
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
