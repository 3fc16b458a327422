"""The drill shares the history checker with the simulator."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "simulator"))
