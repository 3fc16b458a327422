"""The short form of the drill; docs/how-to/run-the-drill.md has the long one."""

from __future__ import annotations

import pytest
from run import SYSTEMS, drill


@pytest.mark.timeout(600)
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_killed_broker_on_a_failing_system_loses_doubles_and_misreports_nothing(
    system: str,
) -> None:
    line = drill(system, "kill" if system == "fork" else "all", jobs=24, seed=20261127)
    assert not line.broken, "\n".join(map(str, line.broken))
    assert line.kills > 0
