"""How SGE lists jobs: as XML in the queue, and in the accounting."""

from __future__ import annotations

import time
from xml.sax.saxutils import escape

from core import Job, State

VERSION = "SGE 8.1.9"
HOST = "localhost"
#: qmaster_params: how many jobs that ended ``qstat -s z`` shows.
_ZOMBIES = 100
_SCHEMAS = "http://arc.liv.ac.uk/repos/darcs/sge/source/dist/util/resources/schemas"
_HEAD = f"<?xml version='1.0'?>\n<job_info  xmlns:xsd=\"{_SCHEMAS}/qstat/qstat.xsd\">\n"
_JOB = """    <job_list state="{kind}">
      <JB_job_number>{id}</JB_job_number>
      <JAT_prio>0.50000</JAT_prio>
      <JB_name>{name}</JB_name>
      <JB_owner>{owner}</JB_owner>
      <state>{word}</state>
      <{tag}>{at}</{tag}>
      <queue_name>{place}</queue_name>
      <slots>{slots}</slots>
    </job_list>
"""
HOSTS = f"""<?xml version='1.0'?>
<qhost xmlns:xsd="{_SCHEMAS}/qhost/qhost.xsd">
 <host name='global'>
   <hostvalue name='mem_total'>-</hostvalue>
   <hostvalue name='mem_used'>-</hostvalue>
 </host>
 <host name='{HOST}'>
   <hostvalue name='num_proc'>2</hostvalue>
   <hostvalue name='mem_total'>23.5G</hostvalue>
   <hostvalue name='mem_used'>960.7M</hostvalue>
 </host>
</qhost>"""


def jobs(known: list[Job], queue: str, kinds: str) -> str:
    """``qstat -xml -s KINDS``: p(ending), r(unning), s(uspended), z(ombies)."""
    running = [job for job in known if job["state"] in ("running", "ending")]
    waiting = [job for job in known if job["state"] == "queued"]
    over = [job for job in known if job["state"] == "ended"][-_ZOMBIES:] if "z" in kinds else []
    there = "".join(_row(job, "running", queue) for job in running)
    rest = "".join(_row(job, "pending", queue) for job in waiting)
    rest += "".join(_row(job, "zombie", queue) for job in over)
    return (
        f"{_HEAD}  <queue_info>\n{there}  </queue_info>\n  <job_info>\n{rest}  </job_info>\n"
        "</job_info>"
    )


def _row(job: Job, kind: str, queue: str) -> str:
    running = kind == "running"
    at = job["started"] if running else job["submitted"]
    return _JOB.format(
        kind=kind,
        id=job["id"],
        name=escape(job["name"]),
        owner=job["owner"],
        word=_word(job, kind),
        tag="JAT_start_time" if running else "JB_submission_time",
        at=time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(at)),
        place=f"{queue}@{HOST}" if running else "",
        slots=job["slots"],
    )


def _word(job: Job, kind: str) -> str:
    if kind == "zombie":
        return "z"
    if kind == "pending":
        return "hqw" if job["held"] else "qw"
    letters = "s" if job["suspended"] else "r"
    return f"d{letters}" if job.get("end_wish") else letters


def queues(state: State, queue: str) -> str:
    """``qstat -g c -xml``."""
    total = state.settings["slots"]
    used = sum(job["slots"] for job in state.all() if job["state"] == "running")
    facts = {"name": queue, "load": 0.1, "used": used, "resv": 0, "available": total - used}
    facts |= {"total": total, "temp_disabled": 0, "manual_intervention": 0}
    lines = "".join(f"    <{name}>{value}</{name}>\n" for name, value in facts.items())
    return f"{_HEAD}  <cluster_queue_summary>\n{lines}  </cluster_queue_summary>\n</job_info>"


def queue(state: State, name: str) -> str:
    """``qconf -sq``."""
    facts = {"qname": name, "hostlist": "@allhosts", "pe_list": "smp mpi", "rerun": "FALSE"}
    facts |= {"slots": state.settings["slots"], "notify": "0:0:5", "h_rt": "INFINITY"}
    return "".join(f"{key:<21} {value}\n" for key, value in facts.items())


def _end(job: Job) -> tuple[str, str]:
    """``failed`` and ``exit_status``."""
    status, wish = int(job["wait_status"]), job.get("end_wish")
    if wish == "wall":
        return (
            "37  : qmaster enforced h_rt, h_cpu, or h_vmem limit",
            "137                  (Killed)",
        )
    if status < 0:
        return "100 : assumedly after job", f"{128 - status}                  (Killed)"
    return "0    ", f"{status}                   "


def record(job: Job, queue: str) -> str:
    """``qacct -j``."""
    failed, status = _end(job)
    times = {name: time.ctime(job[name]) for name in ("submitted", "started", "ended")}
    facts = {
        "qname": queue,
        "hostname": HOST,
        "owner": job["owner"],
        "jobname": job["name"],
        "jobnumber": job["id"],
        "taskid": "undefined",
        "qsub_time": times["submitted"],
        "start_time": times["started"],
        "end_time": times["ended"],
        "slots": job["slots"],
        "failed": failed,
        "exit_status": status,
        "ru_wallclock": f"{int(job['ended'] - job['started'])}s",
        "ru_maxrss": "4.594KB",
        "cpu": "0.004s",
        "category": f"-l {job['limits']}" if job["limits"] else "NONE",
    }
    return "=" * 62 + "\n" + "\n".join(f"{name:<12} {value}" for name, value in facts.items())
