"""PSI/J as ``peers.py`` drives it, in its own environment: ``peer_psij.py PLAN SYSTEM``."""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta
from pathlib import Path

import psij
from psij.executors.batch.pbs import PBSExecutorConfig
from psij.executors.batch.slurm import SlurmExecutorConfig


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    kind, config = {
        "slurm": ("slurm", SlurmExecutorConfig),
        "slurm-bare": ("slurm", SlurmExecutorConfig),
        "pbs": ("pbs", PBSExecutorConfig),
    }[sys.argv[2]]
    place = Path(sys.argv[1]).parent / "psij"
    # Looked at every second instead of every 30; all else as it comes.
    executor = psij.JobExecutor.get_instance(
        kind,
        config=config(work_directory=place, queue_polling_interval=1),
    )
    waiting: dict[str, psij.Job] = {}
    for item in plan["jobs"]:
        attributes = psij.JobAttributes(duration=timedelta(minutes=10))
        spec = psij.JobSpec(executable=item["program"], attributes=attributes, launcher="single")
        job = psij.Job(spec)
        try:
            executor.submit(job)
        except psij.SubmitException as error:
            tell(item["name"], "refused", str(error))
        else:
            waiting[item["name"]] = job
    while waiting:
        time.sleep(0.1)
        for name, job in list(waiting.items()):
            state = job.status.state
            if state.final:
                del waiting[name]
                done = state is psij.JobState.COMPLETED
                tell(name, "finished" if done else "failed", state.name)


def tell(name: str, word: str, said: str) -> None:
    """One line for whoever drives us."""
    print(json.dumps({"name": name, "word": word, "said": said, "at": time.time()}), flush=True)


if __name__ == "__main__":
    main()
