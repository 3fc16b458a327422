"""The qsub command of each dialect, and the words in which PBS accepts, refuses and obeys.

Sources: qsub(1B) of OpenPBS 23.06 and of TORQUE 6.1, read 2026-11-27; refusals as OpenPBS
23.06.06 prints them.
"""

from __future__ import annotations

import re

from grms.broker.ports.batch import Submission

_ID = r"\d+(?:\[\])?(?:\.[\w.-]+)?"

#: A job id: number, perhaps ``[]``, a dot and the server.
ID = re.compile(_ID)

#: qsub prints the id on a line; without its end it may be cut.
ACCEPTED = re.compile(rf"^({_ID})\s*\n", re.MULTILINE)

#: Refusals that no repetition mends.
FINAL = re.compile(
    r"unknown queue|illegal|invalid|unauthorized|not permitted|no permission|"
    r"exceeds? (?:queue|server)? ?resource|unknown resource|usage:|bad (?:uid|gid)|root user|"
    r"can.?not be satisfied|access (?:from host )?(?:denied|not allowed)|"
    r"violates|script file|not allowed",
    re.IGNORECASE,
)

#: PBS says nothing when it obeys.
UNKNOWN_ID = "Unknown Job Id"

#: Words of an id that has left the queue.
GONE = re.compile(
    r"Unknown Job Id|Job has finished|invalid state for job - COMPLETE", re.IGNORECASE
)


def arguments(submission: Submission, torque: bool) -> tuple[str, ...]:
    """What follows ``qsub``: one chunk on one host, no restart, no mail, output beside the script.

    ``-S /bin/sh``: else the script is read by the account's login shell, which may be csh.
    """
    options = ["-N", submission.tag, "-S", "/bin/sh", "-r", "n", "-m", "n", "-j", "oe"]
    options += ["-o", f"{submission.directory}/batch.out"]
    for request in resources(submission, torque):
        options += ["-l", request]
    if submission.queue:
        options += ["-q", submission.queue]
    if submission.project:
        options += ["-A", submission.project]
    if submission.hold:
        options.append("-h")
    return (*options, f"{submission.directory}/job.sh")


def resources(submission: Submission, torque: bool) -> list[str]:
    """The ``-l`` requests: memory in MB for the whole job, times in seconds."""
    memory = f"mem={submission.memory}mb" if submission.memory is not None else ""
    if torque:
        found = [f"nodes=1:ppn={submission.count}", memory]
    else:
        chunk = f"select=1:ncpus={submission.count}"
        found = [f"{chunk}:{memory}" if memory else chunk]
    if submission.wall is not None:
        found.append(f"walltime={clock(submission.wall)}")
    if submission.cpu is not None:
        found.append(f"cput={clock(submission.cpu)}")
    return [request for request in found if request]


def clock(seconds: int) -> str:
    """``HH:MM:SS``."""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
