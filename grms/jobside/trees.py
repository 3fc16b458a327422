"""Files and trees, whole or not at all, in plain Python 3.6: one text for both ends of a wire.

The broker's side imports it; the cluster's side gets its text through standard input (see
``grms.jobside.helper``). Names are bytes: a cluster's file system may hold any. A stream of a tree
is a row of heads (``<length>\\n`` and a JSON object), each file's head followed by its bytes and
their SHA-256 in hex. ``read(n)`` gives exactly n bytes or raises; ``write(chunk)`` takes all.
"""

import hashlib
import json
import os
import shutil
import stat
import uuid
from typing import Any, Callable

CHUNK = 1 << 18

Read = Callable[[int], bytes]
Write = Callable[[bytes], object]


class RefusedError(Exception):
    """A link that leads out of its tree, a special file, or a name that leaves its place."""


class BrokenError(Exception):
    """The stream ended early, or its contents do not have the digest that was announced."""


def raw(name: str) -> bytes:
    """The bytes of a name, whatever the locale of this process."""
    return name.encode("utf-8", "surrogateescape")


def text(name: bytes) -> str:
    """The opposite of ``raw``."""
    return name.decode("utf-8", "surrogateescape")


def temporary(path: bytes) -> bytes:
    """A name beside ``path`` that no reader takes for a finished file."""
    return os.path.join(os.path.dirname(path), b".grms-" + uuid.uuid4().hex.encode() + b".part")


def sync_directory(path: bytes) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path or b".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_whole(path: bytes, content: bytes, mode: int) -> None:
    """Write a small file under a temporary name, sync, rename. Parents are made (0700)."""
    make_directories(os.path.dirname(path))
    part = temporary(path)
    try:
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.rename(part, path)
    except BaseException as error:
        _give_up(part, path, error)
        raise
    sync_directory(os.path.dirname(path))


def write_all(files: "dict[bytes, bytes]", mode: int, durable: bool = True) -> None:
    """Write small files whole, as ``write_whole`` does; many cost little more than one.

    All are written before the first is synced, so that a file system's journal takes them together.
    Not ``durable``: whole for all who look, but a crash of the host may take them.
    """
    if len(files) == 1 and durable:
        for path, content in files.items():
            write_whole(path, content, mode)
        return
    parts = [(temporary(path), path) for path in files]
    try:
        for part, path in parts:
            make_directories(os.path.dirname(path))
            _write_part(part, files[path], mode, durable)
        for part, _ in parts if durable else ():
            _sync(part)
        for part, path in parts:
            os.rename(part, path)
    except BaseException as error:
        for part, path in parts:
            _give_up(part, path, error)
        raise
    for directory in sorted({os.path.dirname(path) for path in files}) if durable else ():
        sync_directory(directory)


def _write_part(part: bytes, content: bytes, mode: int, durable: bool) -> None:
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fchmod(file.fileno(), mode)
        if durable:  # Linux begins to write it out now and does not wait: the sync finds it done.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _sync(path: bytes) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _give_up(part: bytes, path: bytes, error: BaseException) -> None:
    try:
        discard(part)
    except OSError:
        pass  # the reason that counts is the first one
    if isinstance(error, OSError) and error.filename == part:
        error.filename = path  # the name that means something to whoever reads it


def discard(path: bytes) -> None:
    """Remove a file or a whole directory; a link is removed, not followed."""
    try:
        if not os.path.isdir(path) or os.path.islink(path):
            os.unlink(path)
            return
        try:
            shutil.rmtree(path)
        except PermissionError:  # a directory that its owner made read-only
            for place, _, _ in os.walk(path, onerror=None):
                _open_up(place)
            shutil.rmtree(path)
    except FileNotFoundError:
        pass


def _open_up(directory: bytes) -> None:
    for path in [directory] + [item.path for item in os.scandir(directory) if _is_tree(item)]:
        os.chmod(path, 0o700)


def _is_tree(item: "os.DirEntry[bytes]") -> bool:
    return bool(item.is_dir(follow_symlinks=False))


def make_directories(path: bytes, mode: int = 0o700) -> None:
    """Make a directory with its parents, all with ``mode``; existing ones are kept."""
    if path and not os.path.isdir(path):
        make_directories(os.path.dirname(path), mode)
        try:
            os.mkdir(path, mode)
        except FileExistsError:
            if not os.path.isdir(path):
                raise


def sweep(directory: bytes, limit: int) -> "dict[str, bytes]":
    """The files of an inbox, oldest names first; names with a dot in front are left out."""
    found = {}  # type: dict[str, bytes]
    try:
        names = sorted(name for name in os.listdir(directory) if not name.startswith(b"."))
    except FileNotFoundError:
        return found
    for name in names:
        if len(found) == limit:
            break
        content = read_or_none(os.path.join(directory, name))
        if content is not None:
            found[text(name)] = content
    return found


def read_or_none(path: bytes) -> "bytes | None":
    """A small file's contents; None where there is no such file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


# -- trees


def entries(root: bytes) -> "list[tuple[str, bytes]]":
    """What a tree holds: (kind, name below ``root``), parents first; kind is d, f or l.

    A single file is [("f", b"")]. Raises RefusedError for special files and links that
    lead out.
    """
    if not stat.S_ISDIR(os.stat(root).st_mode):
        return [(_kind(root, os.stat(root).st_mode), b"")]
    top = os.path.realpath(root)
    found = [("d", b"")]
    pending = [b""]
    while pending:
        below = pending.pop()
        for item in sorted(os.listdir(os.path.join(root, below))):
            name = os.path.join(below, item)
            path = os.path.join(root, name)
            kind = _kind(path, os.lstat(path).st_mode)
            if kind == "l":
                _check_link(path, top)
            elif kind == "d":
                pending.append(name)
            found.append((kind, name))
    return found


def _kind(path: bytes, mode: int) -> str:
    for test, kind in ((stat.S_ISREG, "f"), (stat.S_ISDIR, "d"), (stat.S_ISLNK, "l")):
        if test(mode):
            return kind
    raise RefusedError("%s is neither a file, a directory nor a link" % text(path))


def _check_link(path: bytes, top: bytes) -> None:
    real = os.path.realpath(path)
    if real != top and not real.startswith(top.rstrip(b"/") + b"/"):
        raise RefusedError(
            "the link %s leads out of its directory, to %s" % (text(path), text(real))
        )


def send_tree(
    root: bytes, listing: "list[tuple[str, bytes]]", write: Write
) -> "tuple[int, int, str]":
    """Write ``entries(root)`` to a stream; the answer is (bytes, files, SHA-256 of a file)."""
    size = files = 0
    digest = ""
    for kind, name in listing:
        path = os.path.join(root, name) if name else root
        head = {"kind": kind, "name": text(name)}  # type: dict[str, Any]
        if kind == "l":
            real = os.path.relpath(os.path.realpath(path), os.path.realpath(os.path.dirname(path)))
            head["to"] = text(real)
        elif kind == "d":
            head["mode"] = stat.S_IMODE(os.stat(path).st_mode)
        if kind != "f":
            write_json(write, head)
            continue
        with open(path, "rb") as file:
            about = os.fstat(file.fileno())
            head["mode"], head["size"] = stat.S_IMODE(about.st_mode), about.st_size
            write_json(write, head)
            digest = _send_bytes(file, about.st_size, write)
        size, files = size + about.st_size, files + 1
    write_json(write, {"kind": "end"})
    return size, files, digest


def _send_bytes(file: Any, size: int, write: Write) -> str:
    digest = hashlib.sha256()
    while size:
        chunk = file.read(min(CHUNK, size))
        if not chunk:
            raise BrokenError("%s became shorter while it was read" % text(raw(str(file.name))))
        digest.update(chunk)
        write(chunk)
        size -= len(chunk)
    write(digest.hexdigest().encode())
    return digest.hexdigest()


def receive_tree(target: bytes, read: Read, mode: "int | None" = None) -> "tuple[int, int, str]":
    """Read a tree from ``read(n)`` to ``target``: complete and verified there, or absent.

    An existing file is replaced, an existing directory takes the new files in, each whole.
    """
    parent = os.path.dirname(target)
    make_directories(parent)
    part = temporary(target)
    try:
        answer = _receive(part, read, mode)
        promote(part, target)
    except BaseException as error:
        _give_up(part, target, error)
        raise
    sync_directory(parent)
    return answer


def _receive(part: bytes, read: Read, mode: "int | None") -> "tuple[int, int, str]":
    size = files = 0
    digest = ""
    directories, links = [], []
    while True:
        head = read_json(read)
        if head["kind"] == "end":
            break
        path = _below(part, raw(head["name"]))
        if head["kind"] == "f":
            chosen = head["mode"] if mode is None or head["name"] else mode
            digest = _receive_file(path, head["size"], chosen, read)
            size, files = size + head["size"], files + 1
        elif head["kind"] == "d":
            os.mkdir(path, 0o700)
            directories.append((path, head["mode"]))
        else:
            links.append((path, raw(head["to"])))
    # Links come last: nothing can be written through one. Modes too: a directory may be read-only.
    for path, to in links:
        os.symlink(to, path)
    for path, _ in links:
        _check_link(path, os.path.realpath(part))
    for path, bits in reversed(directories):
        sync_directory(path)
        os.chmod(path, bits)
    return size, files, digest


def _receive_file(path: bytes, size: int, mode: int, read: Read) -> str:
    digest = hashlib.sha256()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as file:
        left = size
        while left:
            chunk = read(min(CHUNK, left))
            digest.update(chunk)
            file.write(chunk)
            left -= len(chunk)
        file.flush()
        os.fchmod(fd, mode & 0o777)
        os.fsync(fd)
        written = os.fstat(fd).st_size
    if read(64).decode() != digest.hexdigest() or written != size:
        raise BrokenError("%s arrived with another SHA-256 or size than it was sent" % text(path))
    return digest.hexdigest()


def _below(root: bytes, name: bytes) -> bytes:
    if not name:
        return root
    if name.startswith(b"/") or b".." in name.split(b"/"):
        raise RefusedError("the name %s leads out of its directory" % text(name))
    return os.path.join(root, name)


def promote(part: bytes, target: bytes) -> None:
    """Give a complete file or tree its final name; into an existing directory file by file."""
    if not os.path.isdir(part) or os.path.islink(part) or not os.path.isdir(target):
        os.rename(part, target)
        return
    for item in sorted(os.listdir(part)):
        old, new = os.path.join(part, item), os.path.join(target, item)
        if os.path.isdir(old) and not os.path.islink(old) and os.path.islink(new):
            os.unlink(new)  # a link in the way is replaced, never followed
        promote(old, new)
    sync_directory(target)
    discard(part)


def write_json(write: Write, value: object) -> None:
    """Write one length-prefixed JSON object."""
    body = json.dumps(value).encode()
    write(b"%d\n" % len(body) + body)


def read_json(read: Read) -> Any:
    """Read what ``write_json`` wrote."""
    length = b""
    while not length.endswith(b"\n"):
        length += read(1)
    return json.loads(read(int(length)).decode())
