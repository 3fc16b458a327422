"""What a job description says, as immutable values.

The words are those of the historical ``grmsjob`` 1.9.6 schema; ``schemas/gjd.xsd`` is the grammar.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, unique


@unique
class JobType(Enum):
    """How the processes of a job are started (``executable/@type``)."""

    SINGLE = "single"
    MULTIPLE = "multiple"
    MPI = "mpi"
    MPICHG = "mpichg"


@unique
class Direction(Enum):
    """Which way a file goes (``file/@type``), seen from the job."""

    IN = "in"
    OUT = "out"
    INOUT = "inout"

    @property
    def stages_in(self) -> bool:
        """True when the file is fetched before the job starts."""
        return self is not Direction.OUT

    @property
    def stages_out(self) -> bool:
        """True when the file is delivered after the job ended."""
        return self is not Direction.IN


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file or a directory of the job: ``name`` in its working directory, ``url`` outside.

    ``name`` is relative, never leaves the working directory; ``.`` is the whole directory and is
    allowed for an outgoing directory alone.
    """

    name: str
    direction: Direction
    url: str
    is_directory: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """One command-line argument, which may be empty."""

    text: str


Argument = Value | FileRef


@dataclass(frozen=True, slots=True)
class Application:
    """An installed application: as a requirement, or in place of an executable file."""

    name: str
    version: str | None = None
    instance_count: int | None = None


@dataclass(frozen=True, slots=True)
class NetworkLimit:
    """``bandwidth`` (KiB/s, at least), ``latency`` (ms, at most) or ``capacity`` (KiB/s, at least).

    ``hostname`` is the other end; None means the resource's own figure.
    """

    value: int
    hostname: str | None = None


@dataclass(frozen=True, slots=True)
class Requirements:
    """One ``resource`` element; several in a description are alternatives.

    Memory and disk in MB, ``cpuspeed`` in MHz, the ``max*time`` limits in minutes, as in GRAM RSL.
    None means "does not matter".
    """

    osname: str | None = None
    ostype: str | None = None
    osversion: str | None = None
    osrelease: str | None = None
    hostname: str | None = None
    localrmname: str | None = None
    memory: int | None = None
    cpucount: int | None = None
    cpuspeed: int | None = None
    maxtime: int | None = None
    maxwalltime: int | None = None
    maxcputime: int | None = None
    bandwidth: NetworkLimit | None = None
    latency: NetworkLimit | None = None
    capacity: NetworkLimit | None = None
    applications: tuple[Application, ...] = ()
    freememory: int | None = None
    diskspace: int | None = None
    freediskspace: int | None = None
    queue: str | None = None
    freecpus: int | None = None


@dataclass(frozen=True, slots=True)
class Executable:
    """What runs. Exactly one of ``file`` and ``application`` is given.

    ``arguments`` keeps document order; files among them are staged and are not arguments of the
    command line. ``stdin``, ``stdout`` and ``stderr`` are URLs. ``environment`` keeps order.
    """

    type: JobType
    file: FileRef | None = None
    application: Application | None = None
    count: int = 1
    checkpointable: bool = False
    arguments: tuple[Argument, ...] = ()
    stdin: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    environment: tuple[tuple[str, str], ...] = ()
    checkpoint: tuple[FileRef, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        """The command-line arguments, in order."""
        return tuple(item.text for item in self.arguments if isinstance(item, Value))

    @property
    def files(self) -> tuple[FileRef, ...]:
        """The files and directories named among the arguments, in order."""
        return tuple(item for item in self.arguments if isinstance(item, FileRef))


@dataclass(frozen=True, slots=True)
class JobDescription:
    """A whole ``grmsjob`` with a ``simplejob``.

    ``appid`` is the user's own name for the job and need not be unique. ``duration`` is
    ``executionTime/execDuration``: how long the user expects it to run.
    """

    appid: str
    executable: Executable
    resources: tuple[Requirements, ...] = ()
    persistent: bool = False
    extension: str | None = None
    project: str | None = None
    duration: timedelta | None = field(default=None)
