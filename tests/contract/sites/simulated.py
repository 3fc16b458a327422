"""Brings a simulated batch system up in a directory and takes it away again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

SIMULATORS = Path(__file__).parents[3] / "testbed" / "simulators"


@contextmanager
def simulator(name: str, target: Path, **settings: object) -> Iterator[ModuleType]:
    """The commands of ``name`` lie in ``target/bin``; yields the simulators' core."""
    sys.path.insert(0, str(SIMULATORS))
    try:
        core = __import__("core")
        system = __import__(f"{name}_sim")
    finally:
        sys.path.remove(str(SIMULATORS))
    core.install(SIMULATORS / f"{name}_sim.py", list(system.COMMANDS), target, **settings)
    try:
        yield core
    finally:
        core.stop(target)
