"""How OpenPBS lists a job in full: its attributes, as text and as JSON."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from core import Job, State

VERSION = "23.06.06"
SERVER = "pbshost"
QUEUE = "workq"

_LETTERS = {"queued": "Q", "running": "R", "ending": "E", "ended": "F"}


def full_id(job: Job) -> str:
    """``3.pbshost``."""
    return f"{job['id']}.{SERVER}"


def attributes(state: State, job: Job) -> dict[str, Any]:
    """What ``qstat -f`` tells, in its order."""
    word = _LETTERS[job["state"]]
    if word == "Q" and job["held"]:
        word = "H"
    if word == "R" and job["suspended"]:
        word = "S"
    found: dict[str, Any] = {
        "Job_Name": job["name"],
        "Job_Owner": f"{job['owner']}@{SERVER}",
        "job_state": word,
        "queue": job["queue"],
        "server": SERVER,
        "Checkpoint": "u",
        "ctime": time.ctime(job["submitted"]),
        "Hold_Types": "u" if job["held"] else "n",
        "Join_Path": "oe",
        "Output_Path": f"{SERVER}:{job['output']}",
        "Priority": 0,
        "Rerunable": "True" if job["rerunable"] == "y" else "False",
        "Resource_List": {"ncpus": job["slots"], "nodect": 1, "select": job["select"]},
        "substate": _substate(job, word),
        "Variable_List": {"PBS_O_WORKDIR": job["cwd"], "PBS_O_QUEUE": QUEUE},
    }
    if "started" in job:
        wall = int(job.get("ended", state.now()) - job["started"])
        clock = f"{wall // 3600:02d}:{wall // 60 % 60:02d}:{wall % 60:02d}"
        used = {"cput": "00:00:00", "mem": "0kb", "ncpus": job["slots"], "walltime": clock}
        found |= {"resources_used": used, "stime": time.ctime(job["started"]), "run_count": 1}
    if comment := _comment(state, job):
        found["comment"] = comment
    if "wait_status" in job:
        found["Exit_status"] = exit_status(job)
    if word == "F":
        found["history_timestamp"] = int(job["ended"])
    if job["account"]:
        found["Account_Name"] = job["account"]
    return found | {"Submit_arguments": job["arguments"], "project": "_pbs_project_default"}


def exit_status(job: Job) -> int:
    """The code of the script, 256 + signal, or PBS's own word for a limit."""
    wish, status = job.get("end_wish"), int(job["wait_status"])
    if wish == "wall":
        return -29
    if wish == "qdel":
        return 271
    return 256 - status if status < 0 else status


def _substate(job: Job, word: str) -> int:
    if word != "F":
        return {"Q": 10, "H": 20, "R": 42, "S": 43, "E": 51}[word]
    if job.get("end_wish") == "qdel":
        return 91
    return 92 if job.get("wait_status") == 0 else 93


def _comment(state: State, job: Job) -> str:
    if job["state"] == "queued":
        slots = state.settings["slots"]
        if job["slots"] > slots:
            asked = f"ncpus (R: {job['slots']} A: {slots} T: {slots})"
            return f"Can Never Run: Insufficient amount of resource: {asked}"
        return "" if job["held"] else "Not Running: Insufficient amount of resource: ncpus"
    if "started" not in job or job.get("end_wish") == "qdel":
        return ""
    ran = time.strftime("Job run at %a %b %d at %H:%M", time.localtime(job["started"]))
    ran += f" on ({SERVER}:ncpus={job['slots']})"
    if "wait_status" not in job:
        return ran
    if job.get("end_wish") == "wall":
        return f"{ran} and exceeded resource walltime"
    return f"{ran} and " + ("finished" if job["wait_status"] == 0 else "failed")


def lines(job: dict[str, Any]) -> list[str]:
    """The text form: flat, indented, wrapped."""
    flat: list[str] = []
    for key, value in job.items():
        if key == "Variable_List":
            flat.append(f"    {key} = " + ",".join(f"{k}={v}" for k, v in value.items()))
        elif isinstance(value, dict):
            flat += [f"    {key}.{name} = {part}" for name, part in value.items()]
        else:
            flat.append(f"    {key} = {value}")
    return [_wrapped(line) for line in flat]


def _wrapped(line: str) -> str:
    """Cut at 78 columns, inside words; what follows begins with a tab."""
    parts = [line[:78]] + [line[at : at + 70] for at in range(78, len(line), 70)]
    return "\n\t".join(parts)


def retyped(value: Any) -> Any:
    """OpenPBS's JSON types text by its looks: a job named 007 is the number 7."""
    if isinstance(value, dict):
        return {key: retyped(part) for key, part in value.items()}
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", value):
        return int(value) if value.isdigit() else float(value)
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def document(body: dict[str, Any]) -> str:
    """A JSON answer with the head that every one has."""
    head = {"timestamp": int(time.time()), "pbs_version": VERSION, "pbs_server": SERVER}
    return json.dumps(head | body, indent="\t", separators=(",", ":\t"))
