"""``/bin/true`` from submit to seen end: the broker over SOAP beside PSI/J's local executor.

    python bench/fork_end_to_end.py [JOBS]

Both run in this one invocation, on this machine, one after the other, each submitting all jobs at
once and waiting for all ends. The broker writes each step to disk before it goes on, PSI/J keeps
nothing. Printed: jobs per second of both, their ratio, the broker's submit to start, and the
processor time that a job costs each of them, which other work on the machine disturbs least.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))

from broker import Broker

JOB = (
    '<grmsjob appid="bench"><simplejob><executable type="single" count="1">'
    '<file name="true" type="in"><url>file:////bin/true</url></file>'
    "</executable></simplejob></grmsjob>"
)
CLIENTS = 8


Spent = dict[str, float]


def spent(broker: Broker) -> Spent:
    """Seconds of processor time so far: of us, of the broker's processes, and of the jobs."""
    found = {"caller": sum(os.times()[:2]), "service": 0.0, "engine": 0.0, "wrappers and jobs": 0.0}
    service = int((broker.data / "server.pid").read_text())
    found["service"] = sum(_times(service)[:2])
    for engine in _children(service):
        if "grms.server.working" not in Path(f"/proc/{engine}/cmdline").read_text():
            continue
        found["engine"] = sum(_times(engine)[:2])
        found["wrappers and jobs"] = sum(_times(engine)[2:])
        for launcher in _children(engine):
            found["wrappers and jobs"] += sum(_times(launcher))
    return found


def _times(pid: int) -> list[float]:
    """User and system time in seconds, then the same of children that were waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(field) / os.sysconf("SC_CLK_TCK") for field in fields[11:15]]


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for task in tasks for word in task.read_text().split()]


def of_the_broker(jobs: int) -> tuple[float, float, Spent]:
    """Jobs per second, the median of submit to start in seconds, processor seconds for a job."""
    with tempfile.TemporaryDirectory() as place:
        broker = Broker(Path(place), {"GRMS_LOCAL_JOBS": "32"})
        broker.start()
        try:
            before = _warm(broker)
            begin = time.perf_counter()

            def submit(share: int) -> list[str]:
                with broker.client() as client:
                    return [client.submit(JOB) for _ in range(share)]

            with ThreadPoolExecutor(CLIENTS) as pool:
                shares = [len(range(n, jobs, CLIENTS)) for n in range(CLIENTS)]
                ids = [job_id for part in pool.map(submit, shares) for job_id in part]
            with broker.client() as client:
                while len(client.list("FINISHED")) < jobs + 1:
                    time.sleep(0.05)
                took = time.perf_counter() - begin
                time.sleep(1.5)  # the launcher takes leave of its last wrappers
                after = spent(broker)
                waits = []
                for job_id in ids[:: max(1, jobs // 50)]:
                    info = client.info(job_id)
                    assert info.last_history is not None
                    assert info.last_history.local_start_time is not None
                    assert info.submission_time is not None
                    waits.append(info.last_history.local_start_time - info.submission_time)
        finally:
            broker.kill()
    each = {who: (after[who] - before[who]) / jobs for who in after}
    return jobs / took, statistics.median(wait.total_seconds() for wait in waits), each


def _warm(broker: Broker) -> Spent:
    """A first job, so that starts are not counted; what was spent so far."""
    with broker.client() as client:
        job_id = client.submit(JOB)
        while not client.info(job_id).ended:
            time.sleep(0.05)
    return spent(broker)


def one_by_one(jobs: int) -> tuple[float, float]:
    """Seconds from submit to seen end, and to the start, of jobs that come alone (medians)."""
    with tempfile.TemporaryDirectory() as place:
        broker = Broker(Path(place))
        broker.start()
        ends, starts = [], []
        try:
            with broker.client() as client:
                for _ in range(jobs):
                    begin = time.perf_counter()
                    job_id = client.submit(JOB)
                    while not (info := client.info(job_id)).ended:
                        time.sleep(0.005)
                    ends.append(time.perf_counter() - begin)
                    assert info.last_history is not None
                    assert info.last_history.local_start_time is not None
                    assert info.submission_time is not None
                    wait = info.last_history.local_start_time - info.submission_time
                    starts.append(wait.total_seconds())
        finally:
            broker.kill()
    return statistics.median(ends), statistics.median(starts)


def of_psij(jobs: int) -> tuple[float, float, float]:
    """Of PSI/J's local executor: jobs per second, seconds for one alone (median), processor seconds
    for a job.
    """
    import psij

    executor = psij.JobExecutor.get_instance("local")

    def submit() -> psij.Job:
        job = psij.Job(psij.JobSpec(executable="/bin/true"))
        executor.submit(job)
        return job

    submit().wait()
    begin, before = time.perf_counter(), sum(os.times()[:4])
    for job in [submit() for _ in range(jobs)]:
        job.wait()
    took = time.perf_counter() - begin
    cost = (sum(os.times()[:4]) - before) / jobs
    alone = []
    for _ in range(20):
        begin_one = time.perf_counter()
        submit().wait()
        alone.append(time.perf_counter() - begin_one)
    return jobs / took, statistics.median(alone), cost


def main() -> None:
    """Run both and print the ratio."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} processors, load {load}")
    theirs, theirs_alone, their_cost = of_psij(jobs)
    ours, start, costs = of_the_broker(jobs)
    alone, start_alone = one_by_one(20)
    print(f"{jobs} x /bin/true, all at once:")
    print(f"  PSI/J 0.9.11 local  {theirs:8.1f} jobs/s")
    print(f"  GRMS over SOAP      {ours:8.1f} jobs/s, submit to start p50 {start:.2f} s")
    print(f"  ratio               {ours / theirs:8.2f}")
    parts = ", ".join(f"{who} {cost * 1000:.1f}" for who, cost in costs.items())
    print("processor time for a job:")
    print(f"  PSI/J 0.9.11 local  {their_cost * 1000:8.1f} ms")
    print(f"  GRMS over SOAP      {sum(costs.values()) * 1000:8.1f} ms: {parts}")
    print("one at a time, submit to seen end, p50:")
    print(f"  PSI/J 0.9.11 local  {theirs_alone * 1000:8.0f} ms")
    print(
        f"  GRMS over SOAP      {alone * 1000:8.0f} ms, submit to start {start_alone * 1000:.0f} ms"
    )
    print(f"  ratio (theirs/ours) {theirs_alone / alone:8.2f}")


if __name__ == "__main__":
    main()
