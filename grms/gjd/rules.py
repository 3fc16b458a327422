"""What the grammar cannot say of names and URLs: each rule gives what is wrong and its cure."""

from __future__ import annotations

import re

from grms.gjd.model import Direction, FileRef
from grms.gjd.urls import local_path, scheme

#: What is wrong, and how to mend it.
Reason = tuple[str, str]

NAME_MAX = 255  # bytes of one component of a path on every POSIX file system in use
PATH_MAX = 1000  # bytes of a whole name, so that it fits below any working directory
DEPTH_MAX = 32  # components of a name

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_+,=@~:%#-][\w.+,=@~:%#-]{0,100}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
# Most names and URLs are plain: one match settles those, the rest is looked at closely.
_PLAIN_URL = re.compile(
    r"(file:(/|////?)(?!/)|(?!file:)[a-z][a-z0-9+.-]*://[A-Za-z0-9.-]+/)[\w.+,=@~/-]*", re.ASCII
)
_BLANK = re.compile(r"[\s\x00-\x20\x7f]")
_AUTHORITY = re.compile(
    r"(?P<user>[^@/]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^/:@\[\]?#]+)(:(?P<port>[^/?#]*))?(?=[/?#]|$)"
)
_NEED_HOST = frozenset({"http", "https", "ftp", "ftps", "gsiftp", "sftp", "scp", "ssh", "s3"})
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def name_fault(name: str, *, whole_directory: bool) -> Reason | None:
    """Why ``name`` cannot be a file's name in the working directory; None when it can.

    ``whole_directory``: a full stop alone is allowed.
    """
    if _PLAIN_NAME.fullmatch(name):
        return None
    if not name:
        return "the name is empty", "name the file in the working directory"
    if _CONTROL.search(name):
        return f"the name {name!r} holds a control character", "rename the file"
    if "\\" in name:
        return f"the name {name!r} holds a backslash", "separate directories by /"
    if name.startswith("/"):
        return f"the name {name!r} is absolute", "name the file relative to the working directory"
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        return f"the name {name!r} leaves the working directory", "take .. out"
    if not parts and not whole_directory:
        cure = 'only <directory type="out"> may be named .'
        return f"the name {name!r} is the whole working directory", cure
    if any(len(part.encode()) > NAME_MAX for part in parts):
        return f"a part of the name is longer than {NAME_MAX} bytes", "shorten it"
    if len(parts) > DEPTH_MAX or len(name.encode()) > PATH_MAX:
        what = f"the name has more than {DEPTH_MAX} components or {PATH_MAX} bytes"
        return what, "shorten it"
    return None


def tidy(name: str) -> str:
    """``name``, which has no fault, without empty and ``.`` components: ``./a//b`` is ``a/b``."""
    if "/" not in name:
        return name
    return "/".join(part for part in name.split("/") if part not in ("", ".")) or "."


def url_fault(url: str) -> Reason | None:
    """Why ``url`` is malformed; None when it is not. Whether its scheme is served is not asked."""
    if _PLAIN_URL.fullmatch(url):
        return None
    if not url:
        return "the URL is empty", "write one, such as file:///home/a/data"
    if _BLANK.search(url):
        return f"the URL {url!r} holds a blank or control character", "write a blank as %20"
    kind = scheme(url)
    if not kind:
        cure = f"write file://{url}" if url.startswith("/") else "write one, such as file:///path"
        return f"the URL {url!r} has no scheme", cure
    if kind == "file":
        return _file_url_fault(url)
    if not url[len(kind) + 1 :].strip("/"):
        return f"the URL {url!r} names nothing", "write scheme://host/path"
    if kind in _NEED_HOST:
        return _host_fault(url, url[len(kind) + 1 :])
    return None


def _file_url_fault(url: str) -> Reason | None:
    path = local_path(url)
    if path is None and url[5:7] == "//":
        return f"the URL {url!r} names a host", "write file:/// and the absolute path"
    if path is None:
        return f"the URL {url!r} is not absolute", "write file:/// and the absolute path"
    if _CONTROL.search(path):
        return f"the URL {url!r} holds a control character", "rename the file"
    return None


def _host_fault(url: str, rest: str) -> Reason | None:
    match = _AUTHORITY.match(rest, 2) if rest.startswith("//") else None
    if match is None:
        return f"the URL {url!r} names no host", "write scheme://host/path"
    port = match["port"]
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        return f"the URL {url!r} has no usable port", "a port is a number from 1 to 65535"
    return None


def variable_fault(name: str) -> Reason | None:
    """Why ``name`` cannot be a variable of the job's environment; None when it can."""
    if not _VARIABLE.fullmatch(name):
        return f"{name!r} is no name of a variable", "letters, digits and _, no digit in front"
    if name.startswith("GRMS_"):
        return f"{name} is reserved", "names that begin with GRMS_ are set by the broker"
    return None


class Staging:
    """Finds files of one job that are in each other's way, one ``add`` after the other."""

    def __init__(self) -> None:
        self._kinds: dict[str, bool] = {}
        self._parents: dict[str, str] = {}
        self._sources: dict[str, str] = {}
        self._targets: dict[str, str] = {}

    def add(self, ref: FileRef) -> Reason | None:
        """Take ``ref`` in; a reason if it contradicts what was taken before."""
        name = ref.name
        if self._kinds.setdefault(name, ref.is_directory) is not ref.is_directory:
            return f"{name} is a file and a directory", "give one of them another name"
        if (reason := self._inside_a_file(ref)) is not None:
            return reason
        if ref.direction is not Direction.OUT:
            other = self._sources.setdefault(name, ref.url)
            if other != ref.url:
                what = f"{name} comes from two places, {other} and {ref.url}"
                return what, "give one of them another name"
        if ref.direction is not Direction.IN:
            return self.deliver(name, ref.url)
        return None

    def deliver(self, name: str, url: str) -> Reason | None:
        """Note that ``name`` goes to ``url``; a reason if something else goes there too."""
        other = self._targets.setdefault(url, name)
        if other == name:
            return None
        return f"{other} and {name} are both delivered to {url}", "one would overwrite the other"

    def _inside_a_file(self, ref: FileRef) -> Reason | None:
        """A plain file cannot have other files below it."""
        if not ref.is_directory and ref.name in self._parents:
            child = self._parents[ref.name]
            return f"{ref.name} is a file, yet {child} lies in it", "rename one of them"
        at = ref.name.find("/")
        while at > 0:
            parent = ref.name[:at]
            if self._kinds.get(parent) is False:
                return f"{ref.name} lies in {parent}, which is a file", "rename one of them"
            self._parents[parent] = ref.name
            at = ref.name.find("/", at + 1)
        return None
