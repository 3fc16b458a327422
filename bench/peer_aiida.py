"""AiiDA as ``peers.py`` drives it, in its own environment: ``peer_aiida.py PLAN SYSTEM``.

One profile on SQLite without a broker, all calculations in this one process. What a calculation
says of its program is what its parser makes of the output: these programs print a number if all
went well, which ``core.arithmetic.add`` expects.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

PLACE = Path(sys.argv[1]).parent / "aiida"
PLACE.mkdir()
os.environ["AIIDA_PATH"] = str(PLACE)

from aiida import orm  # noqa: E402 - reads AIIDA_PATH
from aiida.calculations.arithmetic.add import ArithmeticAddCalculation  # noqa: E402
from aiida.manage import configuration  # noqa: E402
from aiida.manage.manager import get_manager  # noqa: E402

#: Of AiiDA's five tries of a step the second comes after so many seconds, unless set after 20.
RETRY = 1


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    config = configuration.get_config(create=True)
    configuration.create_profile(
        config, name="peers", email="peers@localhost",
        storage_backend="core.sqlite_dos", storage_config={"filepath": str(PLACE / "storage")},
    )  # fmt: skip
    config.set_option("transport.task_retry_initial_interval", RETRY)
    config.set_option("runner.poll.interval", 1)
    config.store()
    configuration.load_profile("peers", allow_switch=True)
    computer = orm.Computer(
        label="here", hostname="localhost", transport_type="core.local",
        scheduler_type="core.slurm", workdir=str(PLACE / "work"),
    ).store()  # fmt: skip
    # Asked every second; unless set every ten.
    computer.set_minimum_job_poll_interval(1.0)
    computer.set_default_mpiprocs_per_machine(1)
    # A login shell would set another PATH, without the stand-in.
    computer.configure(safe_interval=0.0, use_login_shell=False)
    runner = get_manager().get_runner()
    waiting: dict[str, orm.CalcJobNode] = {}
    for item in plan["jobs"]:
        code = orm.InstalledCode(
            label=item["name"], computer=computer, filepath_executable=item["program"]
        ).store()
        builder = {"code": code, "x": orm.Int(1), "y": orm.Int(2)}
        waiting[item["name"]] = runner.schedule(ArithmeticAddCalculation, builder)
    runner.loop.run_until_complete(follow(waiting))


async def follow(waiting: dict[str, orm.CalcJobNode]) -> None:
    """Until all have ended; one that was given up is paused: told as failed."""
    while waiting:
        await asyncio.sleep(0.2)
        for name, node in list(waiting.items()):
            if node.is_terminated or node.paused:
                del waiting[name]
                said = f"{node.process_state.value} [{node.exit_status}]"
                said += " paused" if node.paused else ""
                refused = node.paused and node.get_job_id() is None
                word = "finished" if node.is_finished_ok else "refused" if refused else "failed"
                tell(name, word, said)


def tell(name: str, word: str, said: str) -> None:
    """One line for whoever drives us."""
    print(json.dumps({"name": name, "word": word, "said": said, "at": time.time()}), flush=True)


if __name__ == "__main__":
    main()
