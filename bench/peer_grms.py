"""GRMS as ``peers.py`` drives it: PLAN SYSTEM. A whole broker, asked through its client."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))

from broker import ENDS, Broker
from jobs import shell_job

OPTIONS = {
    "slurm": ("slurm", {}, "batch"),
    "slurm-bare": ("slurm", {"accounting": "no"}, "batch"),
    "pbs": ("pbs", {"history": "yes"}, "workq"),
}
#: The unset values are 6 and 900; everything here is about 30 times as quick as in production.
QUICK = {"GRMS_CALLS_PER_MINUTE": "120", "GRMS_LOST_AFTER": "30", "GRMS_PROBE_INTERVAL": "3600"}


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    place = Path(sys.argv[1]).parent
    clusters = place / "clusters.toml"
    clusters.write_text(cluster(place, sys.argv[2], plan["day"]))
    broker = Broker(place / "broker", {"GRMS_CLUSTERS_FILE": str(clusters), **QUICK})
    broker.start()
    try:
        with broker.client() as client:
            waiting = {
                client.submit(
                    shell_job(f"exec {item['program']}", appid=item["name"], resource=THERE)
                ): item["name"]
                for item in plan["jobs"]
            }
            while waiting:
                time.sleep(0.2)
                for job_id, name in list(waiting.items()):
                    state = str(client.info(job_id).state)
                    if state in ENDS:
                        del waiting[job_id]
                        tell(name, "finished" if state == "FINISHED" else "failed", state)
    finally:
        broker.kill()


THERE = "<resource><hostname>sim</hostname></resource>"


def cluster(place: Path, system: str, day: str) -> str:
    """The stand-in as a site would declare it."""
    kind, more, queue = OPTIONS[system]
    if system == "pbs" and day == "vanishing":
        more = {"history": "no"}
    options = {"bin": str(place / "bin"), "python": sys.executable, **more}
    lines = [f'{key} = "{value}"' for key, value in options.items()]
    return (
        f'[cluster.sim]\nbatch = "{kind}"\nworkdir = "{place}/work"\n'
        f'[[cluster.sim.queues]]\nname = "{queue}"\ndefault = true\n'
        "[cluster.sim.options]\n" + "\n".join(lines) + "\n"
    )


def tell(name: str, word: str, said: str) -> None:
    """One line for whoever drives us."""
    print(json.dumps({"name": name, "word": word, "said": said, "at": time.time()}), flush=True)


if __name__ == "__main__":
    main()
