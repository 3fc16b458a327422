"""File operations as the account that the caller runs as; see ``ports.transport`` for the rules."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from grms.errors import ErrorCode, Fault, SiteError, StagingError

_CHUNK = 1 << 20


def write(files: Mapping[str, bytes], mode: int) -> None:
    """Write small files whole."""
    for name, data in files.items():
        path = Path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_whole(path, data, mode)
        except OSError as error:
            raise site_error("write", name, error) from error


def _write_whole(path: Path, data: bytes, mode: int) -> None:
    part = part_of(path)
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.rename(path)
        sync_directory(path.parent)
    finally:
        part.unlink(missing_ok=True)


def read(paths: Sequence[str]) -> Mapping[str, bytes]:
    """Read those that exist."""
    found = {}
    for name in paths:
        try:
            found[name] = Path(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise site_error("read", name, error) from error
    return found


def sweep(directory: str, limit: int) -> Mapping[str, bytes]:
    """The oldest files of an inbox."""
    try:
        names = sorted(path.name for path in Path(directory).iterdir() if path.name[0] != ".")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise site_error("list", directory, error) from error
    found = read([f"{directory}/{name}" for name in names[:limit]])
    return {name.rpartition("/")[2]: data for name, data in found.items()}


def remove(paths: Sequence[str]) -> None:
    """Remove files, links and whole directories."""
    for name in paths:
        path = Path(name)
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise site_error("remove", name, error) from error


def make_directories(paths: Sequence[str], mode: int) -> None:
    """Make directories with their parents."""
    for name in paths:
        try:
            Path(name).mkdir(parents=True, exist_ok=True, mode=mode)
        except OSError as error:
            raise site_error("make", name, error) from error


def copy(source: Path, target: Path, *, mode: int | None) -> None:
    """Copy a file or a tree: complete and verified under the name ``target``, or absent."""
    part = part_of(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if source.is_dir():
            check_links(source)
            _copy_tree(source, part)
        else:
            _copy_file(source, part)
        if mode is not None:
            part.chmod(mode)
        _replace(part, target)
        sync_directory(target.parent)
    except OSError as error:
        raise staging_error(source, target, error) from error
    finally:
        _clear(part)


def _copy_tree(source: Path, part: Path) -> None:
    part.mkdir(mode=0o700)
    for entry in sorted(source.iterdir()):
        into = part / entry.name
        if entry.is_symlink():
            into.symlink_to(entry.readlink())
        elif entry.is_dir():
            _copy_tree(entry, into)
        else:
            _copy_file(entry, into)
    sync_directory(part)
    part.chmod(stat.S_IMODE(source.stat().st_mode) | 0o700)


def _copy_file(source: Path, part: Path) -> None:
    """Copy bytes and permission bits; the copy is read again and compared."""
    if not stat.S_ISREG(source.stat().st_mode):
        raise StagingError(
            f"{source} is neither a file nor a directory",
            code=ErrorCode.FILE_NOT_ALLOWED,
            fault=Fault.USER,
            transient=False,
        )
    with source.open("rb") as reading, part.open("xb") as writing:
        sent = _pour(reading, writing)
        writing.flush()
        os.fsync(writing.fileno())
        os.fchmod(writing.fileno(), stat.S_IMODE(os.fstat(reading.fileno()).st_mode))
    if digest(part) != sent:
        raise StagingError(f"the copy of {source} differs from it: the file changed, or the disk")


def _pour(reading: object, writing: object) -> tuple[int, str]:
    size, sha = 0, hashlib.sha256()
    while piece := reading.read(_CHUNK):  # type: ignore[attr-defined]
        writing.write(piece)  # type: ignore[attr-defined]
        sha.update(piece)
        size += len(piece)
    return size, sha.hexdigest()


def digest(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    size, sha = 0, hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_CHUNK):
            sha.update(piece)
            size += len(piece)
    return size, sha.hexdigest()


def check_links(root: Path) -> None:
    """Refuse links that lead out of ``root``, and files that are neither data nor directory."""
    real = root.resolve()
    for folder, folders, names in os.walk(root):
        for name in folders + names:
            path = Path(folder, name)
            if path.is_symlink() and not path.resolve().is_relative_to(real):
                raise StagingError(
                    f"the link {path} leads out of {root}: to {path.resolve()}",
                    code=ErrorCode.FILE_NOT_ALLOWED,
                    fault=Fault.USER,
                    transient=False,
                )


def _replace(part: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        old = part_of(target)
        target.rename(old)
        part.rename(target)
        shutil.rmtree(old)
    else:
        part.replace(target)


def part_of(path: Path) -> Path:
    """A dotted name beside ``path`` that nobody else uses."""
    return path.with_name(f".{path.name[:200]}.{secrets.token_hex(6)}.part")


def _clear(part: Path) -> None:
    if part.is_dir() and not part.is_symlink():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


_FULL = {28: "the disk is full", 122: "the disk quota is used up"}  # ENOSPC, EDQUOT


def site_error(verb: str, path: str, error: OSError) -> SiteError:
    """What went wrong with a small file on the cluster."""
    reason = _FULL.get(error.errno or 0) or error.strerror or str(error)
    code = ErrorCode.NO_SPACE if error.errno in _FULL else ErrorCode.CLUSTER_UNREACHABLE
    return SiteError(f"cannot {verb} {path}: {reason}", code=code)


def staging_error(source: Path | str, target: Path | str, error: OSError) -> StagingError:
    """What went wrong while a file or a tree was copied."""
    place = error.filename or source
    if error.errno in _FULL:
        reason = _FULL[error.errno or 0]
        return StagingError(f"cannot copy {source} to {target}: {reason}", code=ErrorCode.NO_SPACE)
    if isinstance(error, FileNotFoundError):
        return StagingError(
            f"there is no {place}",
            code=ErrorCode.FILE_NOT_FOUND,
            fault=Fault.USER,
            transient=False,
        )
    return StagingError(f"cannot copy {source} to {target}: {place}: {error.strerror}")
