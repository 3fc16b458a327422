"""``python -m tests.drill``: see ``run``."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parent
sys.path[:0] = [str(HERE), str(TESTS / "simulator"), str(TESTS / "e2e"), str(TESTS)]

from run import main  # noqa: E402 - the path must be set first

sys.exit(main())
