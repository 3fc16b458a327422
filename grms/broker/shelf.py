"""The broker's own store of checkpoints: the newest good ones of each job, whole and verified.

``<checkpoints>/<job>/<number>/`` holds ``items/`` and, written last, ``manifest.json``; a directory
gets its number by a rename after that. What is not like its manifest is set aside, never used.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

KEPT = 2
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Item:
    """One file or directory of a checkpoint. ``stream``: an output stream of the job so far."""

    name: str
    directory: bool = False
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A good checkpoint. ``number`` is the attempt that wrote it, ``size`` in bytes.

    ``same`` says how many checkpoints in a row before it held the very same files.
    """

    number: int
    place: Path
    items: tuple[Item, ...]
    size: int
    files: tuple[str, ...]
    same: int = 0

    def path(self, item: Item) -> Path:
        """Where an item lies."""
        return _place(self.place, item)


class Shelf:
    """Checkpoints by job. Raises OSError where the disk does."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def begin(self, job_id: str, number: int) -> Path:
        """An empty place to gather a checkpoint in; put each item at ``target``."""
        part = self._root / job_id / f".{number}.part"
        shutil.rmtree(part, ignore_errors=True)
        (part / "items").mkdir(parents=True, mode=0o700)
        (part / "streams").mkdir(mode=0o700)
        return part

    def target(self, part: Path, item: Item) -> Path:
        """Where to put an item while gathering."""
        found = _place(part, item)
        found.parent.mkdir(parents=True, exist_ok=True)
        return found

    def keep(self, job_id: str, number: int, part: Path, items: Sequence[Item]) -> Checkpoint:
        """Write the manifest, give the checkpoint its number, and forget all but the newest."""
        files = _digests(part)
        facts = {
            "items": [[item.name, item.directory, item.stream] for item in items],
            "files": files,
            "same": self._same(job_id, number, files),
        }
        with (part / _MANIFEST).open("w") as stream:
            json.dump(facts, stream)
            stream.flush()
            os.fsync(stream.fileno())
        place = self._root / job_id / str(number)
        shutil.rmtree(place, ignore_errors=True)  # of this very number: gathered again
        part.rename(place)
        _sync(place.parent)
        for old in self.numbers(job_id)[KEPT:]:
            shutil.rmtree(self._root / job_id / str(old), ignore_errors=True)
        return _read(place, number)

    def _same(self, job_id: str, number: int, files: dict[str, list[int | str]]) -> int:
        """How many checkpoints in a row before this one hold the same; streams do not count."""
        earlier = [known for known in self.numbers(job_id) if known < number]
        try:
            manifest = self._root / job_id / str(earlier[0]) / _MANIFEST
            before = json.loads(manifest.read_text())
            same = _work(before["files"]) == _work(files)
            return int(before.get("same", 0)) + 1 if same else 0
        except (IndexError, OSError, ValueError, KeyError, TypeError):
            return 0  # none, or none that tells anything

    def numbers(self, job_id: str) -> list[int]:
        """The numbers of whole checkpoints, newest first; they are not verified here."""
        try:
            names = [path.name for path in (self._root / job_id).iterdir()]
        except FileNotFoundError:
            return []
        return sorted((int(name) for name in names if name.isdigit()), reverse=True)

    def newest(self, job_id: str) -> Checkpoint | None:
        """The newest checkpoint that is like its manifest; a damaged one is set aside."""
        for number in self.numbers(job_id):
            place = self._root / job_id / str(number)
            try:
                found = _read(place, number)
                if _digests(place) == json.loads((place / _MANIFEST).read_text())["files"]:
                    return found
            except (OSError, ValueError, KeyError, TypeError):
                pass
            place.rename(place.with_name(f".{number}.damaged"))
        return None

    def forget(self, job_id: str) -> None:
        """Remove all checkpoints of a job."""
        shutil.rmtree(self._root / job_id, ignore_errors=True)


def _place(root: Path, item: Item) -> Path:
    if item.stream:
        return root / "streams" / item.name
    return root / "items" if item.name == "." else root / "items" / item.name


def _digests(place: Path) -> dict[str, list[int | str]]:
    """Size and SHA-256 of every file below ``place`` but the manifest; links by what they say."""
    found: dict[str, list[int | str]] = {}
    for folder, _, names in os.walk(place):
        for name in names:
            path = Path(folder, name)
            inside = str(path.relative_to(place))
            if inside == _MANIFEST:
                continue
            if path.is_symlink():
                found[inside] = [0, f"link {path.readlink()}"]
                continue
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            found[inside] = [path.stat().st_size, digest]
    return found


def _work(files: dict[str, list[int | str]]) -> dict[str, list[int | str]]:
    return {name: value for name, value in files.items() if name.startswith("items/")}


def _read(place: Path, number: int) -> Checkpoint:
    facts = json.loads((place / _MANIFEST).read_text())
    items = tuple(Item(str(n), bool(d), bool(s)) for n, d, s in facts["items"])
    size = sum(int(value[0]) for value in facts["files"].values())
    inside = [name[len("items/") :] for name in facts["files"] if name.startswith("items/")]
    return Checkpoint(number, place, items, size, tuple(inside), int(facts.get("same", 0)))


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
