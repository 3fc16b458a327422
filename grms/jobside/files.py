"""Files that are whole or absent, on paths of bytes: an execution host may have any locale.

Not in one with ``trees``: a wrapper starts before each job and imports as little as it can.
"""

import json
import os
import time

from grms.jobside.processes import slurp


def raw(text: str) -> bytes:
    """The bytes a string of a specification stands for, whatever the locale here."""
    return text.encode("utf-8", "surrogateescape")


def text(data: bytes) -> str:
    """The inverse of ``raw``: any bytes, losslessly."""
    return data.decode("utf-8", "surrogateescape")


def write_whole(
    path: bytes, data: bytes, exclusive: bool = False, durable: bool = True, mode: int = 0o600
) -> bool:
    """Write under a dotted name, sync, rename. ``exclusive``: False if ``path`` existed before.

    Not ``durable``: whole for all who look, but a crash of the host may take it. Raises OSError,
    and then leaves nothing behind.
    """
    folder, name = os.path.split(path)
    part = os.path.join(folder, b"." + name + b"." + str(os.getpid()).encode() + b".part")
    try:
        _write(part, data, durable, mode)
        made = _link(part, path) if exclusive else _rename(part, path)
        if durable:
            sync_directory(folder)
        return made
    except OSError:
        _discard(part)
        raise


def _write(path: bytes, data: bytes, durable: bool, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        put(handle, data)
        if durable:
            os.fsync(handle)
    finally:
        os.close(handle)


def put(handle: int, data: bytes) -> None:
    """Write all of it: a pipe may take only a part at a time."""
    while data:
        data = data[os.write(handle, data) :]


def _rename(part: bytes, path: bytes) -> bool:
    os.rename(part, path)
    return True


def _link(part: bytes, path: bytes) -> bool:
    made = True
    try:
        os.link(part, path)
    except FileExistsError:
        made = False
    except OSError:  # a file system without hard links
        if not os.path.exists(path):
            return _rename(part, path)
        made = False
    _discard(part)
    return made


def _discard(part: bytes) -> None:
    try:
        os.unlink(part)
    except OSError:
        pass  # it was never made


def sync_directory(folder: bytes) -> None:
    """Make the names in ``folder`` durable."""
    handle = os.open(folder or b".", os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def dump(value: object) -> bytes:
    """JSON in ASCII: lone surrogates become escapes and come back as they were."""
    return json.dumps(value, sort_keys=True).encode("ascii") + b"\n"


def load(path: bytes) -> "dict[str, object] | None":
    """The JSON object in a file; None when there is no such file or no whole object in it."""
    try:
        value = json.loads(slurp(path).decode("ascii"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def news_name(tag: str, what: str) -> bytes:
    """A name in the inbox: news sort by time."""
    return raw("%019d-%s-%s.json" % (int(time.time() * 1e9), tag, what))


def keep_trying(targets: "list[tuple[bytes, float, bool]]", data: bytes) -> bool:
    """Put ``data`` under each path, durably or not, each for its number of seconds.

    True if it is under one of them. One file with several names is enough, where links can be made:
    new files are what costs a file system most.

    A full disk, a quota, a server that is away: all of them pass. A directory that is gone was
    removed by the broker and is waited for only a minute.
    """
    begin, pause = time.monotonic(), 0.05
    written = None  # type: bytes | None
    waiting = list(targets)
    while waiting:
        passed = time.monotonic() - begin
        rest = []
        for path, patience, durable in waiting:
            try:
                if written is None or durable or not _another_name(written, path):
                    write_whole(path, data, durable=durable)
                written = written or path
            except FileNotFoundError:
                if passed < min(patience, 60):
                    rest.append((path, patience, durable))
            except OSError:
                if passed < patience:
                    rest.append((path, patience, durable))
        waiting = rest
        if waiting:
            time.sleep(pause)
            pause = min(pause * 2, 15)
    return written is not None


def _another_name(written: bytes, path: bytes) -> bool:
    try:
        os.link(written, path)
        return True
    except OSError:  # no links here, another file system, or the file was removed
        return False
