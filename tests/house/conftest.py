"""What the house tests look at: the files that belong to the project."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _listed() -> list[Path]:
    """The files under version control; in an unpacked archive, all that are there."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z"]
    try:
        answer = subprocess.run(git, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        kept = ("grms", "tests", "docs", "examples", "testbed", "bench", "scripts")
        return [file for name in kept for file in (ROOT / name).rglob("*") if file.is_file()]
    names = [name for name in answer.stdout.split("\0") if name]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


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
