"""How many commands ran on each cluster in the last minute."""

from __future__ import annotations

from pathlib import Path

from grms.broker.ports.batch import Command
from grms.broker.ports.transport import Transport
from grms.transport.counting import Calls, CountingTransport
from grms.transport.local import LocalTransport


def test_each_command_is_counted_for_its_cluster() -> None:
    calls = Calls()
    hpc = CountingTransport(LocalTransport(), "hpc", calls)
    lab = CountingTransport(LocalTransport(), "lab", calls)
    hpc.run(Command(("true",)))
    assert [result.exit for result in hpc.run_many([Command(("true",)), Command(("false",))])] == [
        0,
        1,
    ]
    lab.run(Command(("true",)))
    assert calls.last_minute() == {"hpc": 3, "lab": 1}


def test_a_command_is_forgotten_after_a_minute() -> None:
    now = [0.0]
    calls = Calls(lambda: now[0])
    calls.add("hpc", 1)
    now[0] = 30.0
    calls.add("hpc", 2)
    now[0] = 60.0
    assert calls.last_minute() == {"hpc": 2}
    now[0] = 90.0
    assert calls.last_minute() == {}


def test_everything_else_goes_through_and_is_not_counted(tmp_path: Path) -> None:
    calls = Calls()
    way: Transport = CountingTransport(LocalTransport(), "hpc", calls)
    place = str(tmp_path / "place")
    way.make_directories([place])
    way.write({f"{place}/a": b"x"})
    assert way.read([f"{place}/a"]) == {f"{place}/a": b"x"}
    assert way.sweep(place) == {"a": b"x"}
    way.get(f"{place}/a", tmp_path / "b")
    way.put(tmp_path / "b", f"{place}/c")
    way.remove([f"{place}/a"])
    assert way.sweep(place) == {"c": b"x"}
    assert way.same_filesystem
    way.close()
    assert calls.last_minute() == {}
