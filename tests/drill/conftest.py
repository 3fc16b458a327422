"""The drill shares the history checker with the simulator, and moving jobs with the tests."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS / "simulator"), str(TESTS / "e2e"), str(TESTS)]
