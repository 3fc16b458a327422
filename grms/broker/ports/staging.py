"""The port of file movement between URLs and the broker's own file system."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved: bytes in all, files, and the SHA-256 of a single file ("" for a tree)."""

    size: int
    files: int = 1
    sha256: str = ""


class Stager(Protocol):
    """Moves whole files and trees. Chosen by the scheme of the URL.

    Raises StagingError; its message names the URL and the reason. ``transient`` tells "try again"
    from "the user's fault" (FILE_NOT_FOUND, FILE_NOT_ALLOWED, UNSUPPORTED_URL).
    """

    def check(self, url: str, *, writing: bool) -> None:
        """Refuse what can never work (scheme, form, forbidden place), without moving anything."""
        ...

    def fetch(self, url: str, target: Path, *, directory: bool = False) -> Moved:
        """Bring ``url`` to ``target``: complete and verified under that name, or absent."""
        ...

    def deliver(self, source: Path, url: str, *, directory: bool = False) -> Moved:
        """Bring ``source`` to ``url``: complete and verified under that name, or absent."""
        ...

    def size(self, url: str) -> int | None:
        """The size in bytes where it can be had cheaply, else None. Never raises."""
        ...
