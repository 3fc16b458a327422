"""From a tree to the model, noting every mistake of meaning on the way.

The tree may be invalid: what the grammar forbids has been reported by then, so it is passed over
in silence here, and everything else is still judged. The values built from such a tree are never
handed out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from lxml import etree

from grms.errors import ErrorCode, Mistake
from grms.gjd import rules
from grms.gjd.duration import read_duration
from grms.gjd.model import (
    Application,
    Argument,
    Direction,
    Executable,
    FileRef,
    JobDescription,
    JobType,
    NetworkLimit,
    Requirements,
    Value,
)
from grms.gjd.place import MAX_MISTAKES, mistake_at

_TRUE = ("true", "1")
_WORDS = frozenset(
    {"osname", "ostype", "osversion", "osrelease", "hostname", "localrmname", "queue"}
)
_NUMBERS = frozenset(
    {"memory", "cpucount", "cpuspeed", "freememory", "diskspace", "freediskspace", "freecpus"}
)
_MINUTES = frozenset({"maxtime", "maxwalltime", "maxcputime"})
_NETWORK = frozenset({"bandwidth", "latency", "capacity"})
_JOB_TYPES = {item.value: item for item in JobType}
_DIRECTIONS = {item.value: item for item in Direction}
_LARGEST = 2**63 - 1

_GIVE_URL = "put the file where a URL reaches it and write <url>"


class Reader:
    """Reads one tree; ``mistakes`` fills on the way, up to 100."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []
        self._staging = rules.Staging()

    def job(self, root: etree._Element) -> JobDescription:
        """The description that ``root``, a ``grmsjob``, states."""
        get = root.get
        resources, executable, duration = [], None, None
        for part in self._parts(root):
            if part.tag == "resource":
                resources.append((part, self._resource(part)))
            elif part.tag == "executable":
                executable = self._executable(part)
            elif part.tag == "executionTime":
                duration = self._execution_time(part)
            elif part.tag == "reservation":
                cure = "write <executionTime><execDuration>PT90M</execDuration></executionTime>"
                self._refuse(part, "reservation", f"{cure}, and submit the job when it may start")
        for element, resource in resources:
            self._check_limits(element, resource, duration)
        return JobDescription(
            appid=get("appid", ""),
            executable=executable or Executable(JobType.SINGLE),
            resources=tuple(resource for _, resource in resources),
            persistent=get("persistent", "").strip() in _TRUE,
            extension=get("extension"),
            project=get("project"),
            duration=duration,
        )

    def _parts(self, root: etree._Element) -> Iterator[etree._Element]:
        for child in root:
            if child.tag == "simplejob":
                yield from child
            elif child.tag == "workflowjob":
                self._refuse(child, "workflowjob", "submit each step as a simplejob of its own")

    # Mistakes

    def _blame(
        self,
        element: etree._Element,
        reason: rules.Reason,
        attribute: str = "",
        code: ErrorCode = ErrorCode.BAD_DESCRIPTION,
    ) -> None:
        if len(self.mistakes) < MAX_MISTAKES:
            self.mistakes.append(mistake_at(element, *reason, attribute=attribute, code=code))

    def _refuse(self, element: etree._Element, name: str, cure: str, attribute: str = "") -> None:
        reason = f"{name} is not carried out yet", cure
        self._blame(element, reason, attribute, ErrorCode.NOT_CARRIED_OUT)

    # Requirements

    def _resource(self, element: etree._Element) -> Requirements:
        words: dict[str, str] = {}
        numbers: dict[str, int] = {}
        limits: dict[str, NetworkLimit] = {}
        applications: tuple[Application, ...] = ()
        for child in element:
            tag = child.tag
            if tag in _WORDS:
                if text := (child.text or "").strip():
                    words[tag] = text
            elif tag in _NUMBERS or tag in _MINUTES:
                least = 1 if tag in _MINUTES else 0
                if (number := self._number(child, child.text, least)) is not None:
                    numbers[tag] = number
            elif tag in _NETWORK:
                if (number := self._number(child, child.text, 0)) is not None:
                    limits[tag] = NetworkLimit(number, child.get("hostname"))
            elif tag == "applications":
                applications = tuple(self._application(item) for item in child)
        return Requirements(**words, **numbers, **limits, applications=applications)  # type: ignore[arg-type]

    def _number(
        self, element: etree._Element, text: str | None, least: int, attribute: str = ""
    ) -> int | None:
        """The whole number ``text``; None if it is none, or a mistake was noted."""
        try:
            number = int(text or "")
        except ValueError:
            if len(text or "") < 4000:  # Python converts no longer ones
                return None
            number = _LARGEST + 1
        if number < least:
            what = f"{number} is too small", f"write {least} or more"
            self._blame(element, what, attribute)
            return None
        if number > _LARGEST:
            self._blame(element, ("the number is too large", "write a smaller one"), attribute)
            return None
        return number

    def _application(self, element: etree._Element) -> Application:
        name = (element.text or "").strip()
        if not name:
            self._blame(element, ("the application has no name", "write its name as the text"))
        count = element.get("instanceCount")
        instances = None if count is None else self._number(element, count, 1, "instanceCount")
        return Application(name, element.get("version"), instances)

    def _check_limits(
        self, element: etree._Element, resource: Requirements, duration: timedelta | None
    ) -> None:
        """Note time limits that contradict each other, or the expected duration."""
        whole, wall, cpu = resource.maxtime, resource.maxwalltime, resource.maxcputime
        for name, limit in (("maxwalltime", wall), ("maxcputime", cpu)):
            if whole is not None and limit is not None and limit > whole:
                what = f"{name} {limit} is beyond maxtime {whole}, which limits it too"
                self._blame(element, (what, f"raise maxtime or lower {name}"))
        bounds = [limit for limit in (whole, wall) if limit is not None]
        minutes = 0 if duration is None else -(-duration // timedelta(minutes=1))
        if bounds and minutes > min(bounds):
            what = f"the job is expected to run longer than its limit of {min(bounds)} minutes"
            self._blame(element, (what, "raise the limit or lower executionTime/execDuration"))

    def _execution_time(self, element: etree._Element) -> timedelta | None:
        duration = None
        for child in element:
            if child.tag in ("timeSlot", "timePeriod"):
                self._refuse(child, str(child.tag), "take it out and submit the job in time")
            elif child.tag == "execDuration":
                text = (child.text or "").strip()
                try:
                    duration = read_duration(text)
                except ValueError as error:
                    cure = "write days, hours, minutes and seconds: P1DT2H30M"
                    self._blame(child, (str(error), cure))
        return duration

    # The executable

    def _executable(self, element: etree._Element) -> Executable:
        kind = _JOB_TYPES.get(element.get("type", "").strip(), JobType.SINGLE)
        if kind is JobType.MPICHG:
            cure = "use mpi: the processes then run on one cluster"
            self._refuse(element, "the type mpichg", cure, "type")
        count = self._number(element, element.get("count", "1"), 1, "count")
        file = application = None
        arguments: tuple[Argument, ...] = ()
        streams: dict[str, str] = {}
        environment: tuple[tuple[str, str], ...] = ()
        checkpoint: tuple[FileRef, ...] = ()
        for child in element:
            tag = child.tag
            if tag == "file":
                file = self._program(child)
            elif tag == "application":
                application = self._application(child)
            elif tag == "arguments":
                arguments = tuple(self._arguments(child))
            elif tag in ("stdin", "stdout", "stderr"):
                streams[tag] = self._stream(child)
            elif tag == "environment":
                environment = self._environment(child)
            elif tag == "checkpoint":
                checkpoint = self._checkpoint(child)
        return Executable(
            type=kind,
            file=file,
            application=application,
            count=count or 1,
            checkpointable=element.get("checkpointable", "").strip() in _TRUE,
            arguments=arguments,
            environment=environment,
            checkpoint=checkpoint,
            **streams,
        )

    def _program(self, element: etree._Element) -> FileRef:
        ref = self._file(element, self._staging)
        if ref.direction is Direction.OUT:
            what = "the executable must come in", 'write type="in"'
            self._blame(element, what, "type")
        return ref

    def _arguments(self, element: etree._Element) -> Iterator[Argument]:
        for child in element:
            if child.tag == "value":
                yield Value(child.text or "")
            elif child.tag in ("file", "directory"):
                yield self._file(child, self._staging)

    def _checkpoint(self, element: etree._Element) -> tuple[FileRef, ...]:
        # Checkpoint files move at other times than arguments: they share names and places.
        staging = rules.Staging()
        return tuple(self._file(child, staging) for child in element)

    def _file(self, element: etree._Element, staging: rules.Staging) -> FileRef:
        directory = element.tag == "directory"
        direction = _DIRECTIONS.get(element.get("type", "").strip(), Direction.IN)
        url, name = self._url(element), element.get("name")
        if name is None:
            return FileRef("", direction, url, directory)
        outgoing = directory and direction is Direction.OUT
        if (reason := rules.name_fault(name, whole_directory=outgoing)) is not None:
            self._blame(element, reason, "name")
            return FileRef("", direction, url, directory)
        ref = FileRef(rules.tidy(name), direction, url, directory)
        if url and (reason := staging.add(ref)) is not None:
            self._blame(element, reason, "name")
        return ref

    def _url(self, element: etree._Element) -> str:
        """The URL inside ``element``; empty if there is none, or a mistake was noted."""
        for child in element:
            if child.tag == "url":
                url = (child.text or "").strip()
                if (reason := rules.url_fault(url)) is None:
                    return url
                self._blame(child, reason)
            elif child.tag in ("collectionfile", "collection"):
                self._refuse(child, str(child.tag), _GIVE_URL)
        return ""

    def _stream(self, element: etree._Element) -> str:
        url = self._url(element)
        if url and element.tag != "stdin":
            reason = self._staging.deliver(f"<{element.tag}>", url)
            if reason is not None:
                self._blame(element, reason)
        return url

    def _environment(self, element: etree._Element) -> tuple[tuple[str, str], ...]:
        seen: dict[str, str] = {}
        variables = []
        for child in element:
            name, value = child.get("name"), child.text or ""
            if name is None:
                continue
            if (reason := rules.variable_fault(name)) is not None:
                self._blame(child, reason, "name")
            elif seen.setdefault(name, value) != value:
                self._blame(child, (f"{name} is set twice", "keep one of them"), "name")
            variables.append((name, value))
        return tuple(variables)
