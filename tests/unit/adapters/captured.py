"""Reads what real systems printed, see ``tests/captured``."""

from __future__ import annotations

from pathlib import Path

from grms.broker.ports.batch import CommandResult

_ROOT = Path(__file__).parents[2] / "captured"


def captured(system: str, name: str) -> CommandResult:
    """The kept result of a command: ``NAME.out``, ``NAME.err`` if any, ``NAME.rc``."""
    place = _ROOT / system
    error = place / f"{name}.err"
    return CommandResult(
        int((place / f"{name}.rc").read_text("ascii")),
        (place / f"{name}.out").read_bytes(),
        error.read_bytes() if error.exists() else b"",
    )
