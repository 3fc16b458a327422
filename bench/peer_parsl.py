"""Parsl's provider of Slurm as ``peers.py`` drives it, in its own environment: PLAN SYSTEM.

A Parsl user does not see native jobs; the provider is where Parsl keeps them, and what its
executors ask. It is looked at every second here, by them every 5 or 60.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from parsl.jobs.states import JobState
from parsl.launchers import SimpleLauncher
from parsl.providers import SlurmProvider
from parsl.providers.errors import SubmitException


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    place = Path(sys.argv[1]).parent / "parsl"
    place.mkdir()
    provider = SlurmProvider(launcher=SimpleLauncher(), exclusive=False)
    provider.script_dir = str(place)
    waiting: dict[str, str] = {}
    for item in plan["jobs"]:
        try:
            waiting[provider.submit(item["program"], 1)] = item["name"]
        except SubmitException as error:
            tell(item["name"], "refused", str(error))
    while waiting:
        time.sleep(1)
        ids = list(waiting)
        for native_id, status in zip(ids, provider.status(ids), strict=True):
            if status.terminal:
                done = status.state is JobState.COMPLETED
                tell(waiting.pop(native_id), "finished" if done else "failed", status.state.name)


def tell(name: str, word: str, said: str) -> None:
    """One line for whoever drives us."""
    print(json.dumps({"name": name, "word": word, "said": said, "at": time.time()}), flush=True)


if __name__ == "__main__":
    main()
