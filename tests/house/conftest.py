"""What the house tests look at: the files that belong to the project."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _listed() -> list[Path]:
    """The files under version control; in an unpacked archive, all that are there."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z"]
    done = subprocess.run(git, capture_output=True, text=True) if shutil.which("git") else None
    names = [name for name in done.stdout.split("\0") if name] if done else []
    if names:
        return [ROOT / name for name in names if (ROOT / name).is_file()]
    kept = ("grms", "tests", "docs", "examples", "testbed", "bench", "scripts")
    found = [file for name in kept for file in (ROOT / name).rglob("*") if file.is_file()]
    return [file for file in found if "__pycache__" not in file.parts]


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the tree."""
    return ROOT


@pytest.fixture(scope="session")
def files() -> list[Path]:
    """All files of the project."""
    return _listed()


@pytest.fixture(scope="session")
def sources(files: list[Path]) -> list[Path]:
    """The modules of the package."""
    return [f for f in files if f.suffix == ".py" and f.is_relative_to(ROOT / "grms")]


@pytest.fixture(scope="session")
def tests(files: list[Path]) -> list[Path]:
    """The modules of the tests."""
    return [f for f in files if f.suffix == ".py" and f.is_relative_to(ROOT / "tests")]


@pytest.fixture(scope="session")
def pages(files: list[Path]) -> list[Path]:
    """The documents."""
    return [f for f in files if f.suffix == ".md"]
