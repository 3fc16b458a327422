"""One stager for all URLs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grms.broker.ports.staging import Moved, Stager
from grms.errors import StagingError
from grms.gjd.urls import scheme
from grms.staging.http import HttpStager
from grms.staging.local import LocalStager
from grms.staging.urls import unsupported


class Staging:
    """``grms.broker.ports.staging.Stager``: hands each URL to the stager of its scheme.

    ``file_roots`` and ``home`` are those of ``LocalStager``.
    """

    def __init__(self, file_roots: Sequence[Path] = (), home: str = "") -> None:
        self._http = HttpStager()
        self._stagers: dict[str, Stager] = {
            "file": LocalStager(file_roots, home),
            "http": self._http,
            "https": self._http,
        }

    @property
    def schemes(self) -> tuple[str, ...]:
        """The schemes that can be moved."""
        return tuple(self._stagers)

    def check(self, url: str, *, writing: bool) -> None:
        """See the port."""
        self._of(url).check(url, writing=writing)

    def fetch(self, url: str, target: Path, *, directory: bool = False) -> Moved:
        """See the port."""
        return self._of(url).fetch(url, target, directory=directory)

    def deliver(self, source: Path, url: str, *, directory: bool = False) -> Moved:
        """See the port."""
        return self._of(url).deliver(source, url, directory=directory)

    def size(self, url: str) -> int | None:
        """See the port."""
        try:
            return self._of(url).size(url)
        except StagingError:
            return None

    def close(self) -> None:
        """Give up kept connections."""
        self._http.close()

    def _of(self, url: str) -> Stager:
        stager = self._stagers.get(scheme(url))
        if stager is None:
            raise unsupported(url, self.schemes)
        return stager
