"""``/bin/true`` from submit to seen end: the broker over SOAP beside PSI/J's local executor.

    python bench/fork_end_to_end.py [JOBS]

Both run in this one invocation, on this machine, one after the other, each submitting all jobs at
once and waiting for all ends. The broker writes each step to disk before it goes on, PSI/J keeps
nothing. Printed: jobs per second of both, their ratio, and the broker's submit to start.
"""

from __future__ import annotations

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


def of_the_broker(jobs: int) -> tuple[float, float]:
    """Jobs per second, and the median of submit to start in seconds."""
    with tempfile.TemporaryDirectory() as place:
        broker = Broker(Path(place), {"GRMS_LOCAL_JOBS": "32"})
        broker.start()
        try:
            begin = time.perf_counter()

            def submit(share: int) -> list[str]:
                with broker.client() as client:
                    return [client.submit(JOB) for _ in range(share)]

            with ThreadPoolExecutor(CLIENTS) as pool:
                shares = [len(range(n, jobs, CLIENTS)) for n in range(CLIENTS)]
                ids = [job_id for part in pool.map(submit, shares) for job_id in part]
            with broker.client() as client:
                while len(client.list("FINISHED")) < jobs:
                    time.sleep(0.05)
                took = time.perf_counter() - begin
                waits = []
                for job_id in ids[:: max(1, jobs // 50)]:
                    info = client.info(job_id)
                    assert info.last_history is not None
                    assert info.last_history.local_start_time is not None
                    assert info.submission_time is not None
                    waits.append(info.last_history.local_start_time - info.submission_time)
        finally:
            broker.kill()
    return jobs / took, statistics.median(wait.total_seconds() for wait in waits)


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


def of_psij(jobs: int) -> tuple[float, float]:
    """Jobs per second of PSI/J's local executor, and seconds for one alone (median)."""
    import psij

    executor = psij.JobExecutor.get_instance("local")

    def submit() -> psij.Job:
        job = psij.Job(psij.JobSpec(executable="/bin/true"))
        executor.submit(job)
        return job

    begin = time.perf_counter()
    for job in [submit() for _ in range(jobs)]:
        job.wait()
    took = time.perf_counter() - begin
    alone = []
    for _ in range(20):
        begin_one = time.perf_counter()
        submit().wait()
        alone.append(time.perf_counter() - begin_one)
    return jobs / took, statistics.median(alone)


def main() -> None:
    """Run both and print the ratio."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    theirs, theirs_alone = of_psij(jobs)
    ours, start = of_the_broker(jobs)
    alone, start_alone = one_by_one(20)
    print(f"{jobs} x /bin/true, all at once:")
    print(f"  PSI/J 0.9.11 local  {theirs:8.1f} jobs/s")
    print(f"  GRMS over SOAP      {ours:8.1f} jobs/s, submit to start p50 {start:.2f} s")
    print(f"  ratio               {ours / theirs:8.2f}")
    print("one at a time, submit to seen end, p50:")
    print(f"  PSI/J 0.9.11 local  {theirs_alone * 1000:8.0f} ms")
    print(
        f"  GRMS over SOAP      {alone * 1000:8.0f} ms, submit to start {start_alone * 1000:.0f} ms"
    )
    print(f"  ratio (theirs/ours) {theirs_alone / alone:8.2f}")


if __name__ == "__main__":
    main()
