"""Where things lie on a cluster: pure names, see ``grms.jobside`` for what they mean."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

#: Stands for the job's account in a cluster's ``workdir``.
ACCOUNT = "{account}"
#: The name that stands there for the broker's own account.
OWN = "grms"


@dataclass(frozen=True, slots=True)
class Layout:
    """The tree of one account under a cluster's ``workdir`` (absolute, no trailing slash)."""

    workdir: str

    @classmethod
    def of(cls, workdir: str, account: str) -> Layout:
        """The tree of ``account``: each has its own, for what one makes the others cannot enter.

        ``{account}`` in ``workdir`` says where; else it is a directory in ``workdir``, which all
        accounts must be able to write to. "" is the broker's own account: ``workdir`` itself.
        """
        if ACCOUNT in workdir:
            return cls(workdir.replace(ACCOUNT, account or OWN))
        return cls(f"{workdir}/{account}" if account else workdir)

    @property
    def inbox(self) -> str:
        """Where wrappers put their news."""
        return f"{self.workdir}/inbox"

    @property
    def tags(self) -> str:
        """Where each started wrapper leaves its tag."""
        return f"{self.workdir}/tags"

    def wrapper(self, program: bytes) -> str:
        """The wrapper, under a name that changes with its text: upgrades disturb no live job."""
        return f"{self.workdir}/bin/grms-run-{hashlib.sha256(program).hexdigest()[:12]}.py"

    def job(self, job_id: str) -> str:
        """Everything of one job."""
        return f"{self.workdir}/jobs/{job_id}"

    def fence(self, job_id: str) -> str:
        """The file with the number of the oldest attempt that may still start."""
        return f"{self.job(job_id)}/fence"

    def attempt(self, job_id: str, number: int) -> str:
        """Everything of one attempt."""
        return f"{self.job(job_id)}/{number}"


def control(directory: str) -> str:
    """The control directory of an attempt's directory."""
    return f"{directory}/control"


def work(directory: str) -> str:
    """The working directory of an attempt's directory."""
    return f"{directory}/work"


def request(directory: str, name: str) -> str:
    """A request to the wrapper of an attempt; its answer lies beside it, ``.done``."""
    return f"{control(directory)}/requests/{name}"


def tag(job_id: str, attempt: int) -> str:
    """The name of an attempt in a batch system: 15 characters, a letter first.

    15 is the limit of names in classic PBS; SGE refuses names that begin with a digit.
    """
    digest = hashlib.sha256(f"{job_id}/{attempt}".encode()).digest()
    return "g" + base64.b32encode(digest).decode().lower()[:14]
