"""A directory for real batch systems of this host, which run jobs of another account."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def workdir(account: str) -> Iterator[str]:
    """A directory that ``account`` owns and may reach, unlike root's scratch."""
    path = tempfile.mkdtemp(prefix="grms-contract-")
    shutil.chown(path, account)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
