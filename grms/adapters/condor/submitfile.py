"""The submit description, and the words in which HTCondor accepts, refuses and obeys.

Source: HTCondor Manual 23.9, condor_submit and "Submitting a Job", read 2026-11-27; tried on
HTCondor 23.9.6.
"""

from __future__ import annotations

import re

from grms.broker.ports.batch import Submission

#: ``condor_submit -terse``: first and last job id.
ACCEPTED = re.compile(r"^(\d+\.\d+) - \d+\.\d+\s*$", re.MULTILINE)

#: Refusals that no repetition mends; anything else (no schedd, no quota now) may pass.
FINAL = re.compile(
    r"No such directory|Parse error|not a valid|Invalid|can't open|"
    r"does not exist|is not allowed|illegal|Unrecognized|exceeds",
    re.IGNORECASE,
)

#: How each verb reports success.
DONE = {
    "cancel": "marked for removal",
    "hold": "held",
    "release": "released",
    "suspend": "suspended",
    "resume": "continued",
}

#: A job gets the environment of the submit description only: no HOME and no PATH.
PREPARATIONS = (
    "PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}",
    'HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}',
    "export PATH HOME",
)

#: A second start of an attempt is forbidden, whatever happened to its machine.
_STARTED_NEVER = "(MY.NumJobStarts =?= undefined || MY.NumJobStarts == 0)"


def classad(value: str) -> str:
    """A ClassAd string in the old syntax of submit descriptions: only a quote is escaped."""
    printable = re.sub(r"[\x00-\x1f\x7f]", " ", value)
    return '"' + printable.replace('"', '\\"') + '"'


def render(submission: Submission, requirements: str = "") -> str:
    """The submit description of one job.

    The script is run by /bin/sh, so that it needs no execute permission; nothing is transferred.
    """
    output = _plain(f"{submission.directory}/batch.out")
    needs = f"{_STARTED_NEVER} && ({requirements})" if requirements else _STARTED_NEVER
    lines = [
        "universe = vanilla",
        "executable = /bin/sh",
        f"arguments = {_words(f'{submission.directory}/job.sh')}",
        "transfer_executable = False",
        "should_transfer_files = NO",
        f"initialdir = {_plain(submission.directory)}",
        f"output = {output}",
        f"error = {output}",
        "getenv = False",
        "notification = never",
        f"requirements = {needs}",
        f"request_cpus = {submission.count}",
        f"My.GrmsTag = {classad(submission.tag)}",
    ]
    if submission.memory is not None:
        lines.append(f"request_memory = {submission.memory}")
    if submission.wall is not None:
        lines.append(f"allowed_job_duration = {submission.wall}")
    if submission.project:
        lines.append(f"My.ProjectName = {_plain(classad(submission.project))}")
    if submission.hold:
        lines.append("hold = True")
    return "\n".join([*lines, "queue 1", ""])


def _plain(value: str) -> str:
    """A value in which ``$`` is no macro. For ``$$`` there is no way; HTCondor refuses it."""
    return value.replace("$", "$(DOLLAR)")


def _words(value: str) -> str:
    """One argument in the "new" syntax: all in double quotes, the word in single ones."""
    quoted = value.replace("'", "''").replace('"', '""')
    return _plain(f"\"'{quoted}'\"")
