"""What SGE's commands answer, read into the broker's values. Nothing here runs anything."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from lxml import etree

from grms.adapters import base
from grms.adapters.sge.commands import PART
from grms.adapters.sge.states import exit_of, judge
from grms.broker.ports.batch import (
    Account,
    CommandResult,
    NativeState,
    NativeStatus,
    Outcome,
    ProbeFacts,
    QueueFacts,
)
from grms.broker.records import Usage
from grms.errors import ErrorCode, SiteError

#: Words of refusals that pass.
_PASSING = re.compile(
    r"qmaster|commlib|gdi|timeout|timed out|connection|only \d+ jobs are allowed|too many"
    r"|try again|SGE_ROOT|got no response",
    re.IGNORECASE,
)
_REFUSED = "Unable to run job: "
_NOT_FOUND = re.compile(r"job (?:id|name) \S+ not found")
_DONE = re.compile(
    r"has registered|has deleted|is already in deletion|modified hold|suspended job"
    r"|is already suspended|is already unsuspended|is not suspended",
    re.IGNORECASE,
)
_GONE = re.compile(r"does not exist|invalid queue or job", re.IGNORECASE)


class Times:
    """SGE's times are local and name no zone. ``zone`` "" takes the broker's own."""

    def __init__(self, zone: str = "") -> None:
        self._zone: tzinfo | None = ZoneInfo(zone) if zone else None

    def __call__(self, word: str, form: str = "") -> datetime | None:
        """UTC, of ISO 8601 or of ``form`` (``strptime``); None where no time is given."""
        try:
            local = datetime.strptime(word, form) if form else datetime.fromisoformat(word)
            return local.replace(tzinfo=self._zone).astimezone(UTC)
        except (ValueError, OverflowError):
            return None


def native_id(result: CommandResult) -> str:
    """The id that ``qsub -terse`` gave. Raises SiteError as the port says."""
    _reachable("qsub", result)
    if result.exit == 0:
        # Warnings may stand before it; a line without its end may be half an id.
        for line in reversed(base.text(result.stdout).split("\n")[:-1]):
            if re.fullmatch(r"\d+", line.strip()):
                return line.strip()
        raise base.rubbish("qsub", result)
    said = base.words(result)
    if _REFUSED not in said or _PASSING.search(said):
        raise _down("qsub", result)
    why = said.partition(_REFUSED)[2].removesuffix("Exiting.").strip()
    why = why.removeprefix("error: ").removeprefix("job rejected: ")
    raise SiteError(
        f"SGE refused the job: {why}",
        code=ErrorCode.REFUSED_BY_BATCH_SYSTEM,
        transient=False,
        detail=said,
    )


def statuses(result: CommandResult, times: Times) -> Mapping[str, NativeStatus]:
    """What ``qstat`` lists, with the reasons of jobs in error."""
    _reachable("qstat", result)
    if result.exit != 0:
        raise _down("qstat", result)
    listed, mark, details = base.text(result.stdout).partition(PART + "\n")
    if not mark:
        raise base.rubbish("qstat", result)
    reasons = _reasons(details)
    found: dict[str, NativeStatus] = {}
    for job in _jobs(listed, result):
        status = _status(job, reasons, times)
        if status and (status.native_id not in found or status.word != "z"):
            found[status.native_id] = status
    return found


def _jobs(listed: str, result: CommandResult) -> list[Mapping[str, str]]:
    """The jobs of one XML answer; bytes that are no XML in one name must not hide the others."""
    root = _xml(listed, "job_info", result)
    return [
        {str(field.tag): (field.text or "").strip() for field in job}
        for job in root.iter("job_list")
    ]


def _xml(listed: str, name: str, result: CommandResult) -> etree._Element:
    said = listed.strip()
    if not said.endswith(f"</{name}>"):
        raise base.rubbish("qstat", result)
    clean = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "?", said)
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(clean.encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError:
        root = None
    if root is None or root.tag != name:
        raise base.rubbish("qstat", result)
    return root


def _status(
    job: Mapping[str, str], reasons: Mapping[str, str], times: Times
) -> NativeStatus | None:
    identity, word = job.get("JB_job_number", ""), job.get("state", "")
    if not identity.isdecimal():
        return None
    state = judge(word)
    return NativeStatus(
        identity,
        state,
        word=word,
        reason=_reason(state, word, reasons.get(identity, "")),
        tag=job.get("JB_name", ""),
        submitted_at=times(job.get("JB_submission_time", "")),
        started_at=times(job.get("JAT_start_time", "")),
    )


def _reason(state: NativeState, word: str, why: str) -> str:
    if state is NativeState.FAULTY:
        return f"SGE holds it in error: {why or 'it gives no reason'}"
    if state is NativeState.ENDED:
        return "finished or deleted"
    return "being deleted" if "d" in word else ""


def _reasons(details: str) -> Mapping[str, str]:
    """id -> error reason, of ``qstat -j``."""
    reasons: dict[str, str] = {}
    identity = ""
    for line in details.splitlines():
        name, colon, value = line.partition(":")
        if colon and name == "job_number":
            identity = value.strip()
        elif colon and name.startswith("error reason") and identity not in reasons:
            # 11/20/2026 11:27:59 [1001:270688]: error: can't chdir to ...
            reasons[identity] = re.sub(r"^[\d/: ]*(\[\d+:\d+\]: )?(error: )?", "", value.strip())
    return reasons


def accounts(result: CommandResult, times: Times) -> Mapping[str, Account]:
    """The last record of each job; none for a job that goes on after it."""
    _reachable("qacct", result)
    records = list(_records(base.text(result.stdout)))
    if not records:
        said = base.text(result.stderr).strip()
        strange = [line for line in said.splitlines() if not _NOT_FOUND.search(line)]
        if strange or not said:
            raise _down("qacct", result)
    last = {record["jobnumber"]: record for record in records}
    ended = {identity: _account(record, times) for identity, record in last.items()}
    return {identity: account for identity, account in ended.items() if account}


#: Without these a record is half.
_NEEDED = ("jobnumber", "failed", "exit_status", "category")


def _records(said: str) -> Iterator[Mapping[str, str]]:
    for block in re.split(r"^=+$", said, flags=re.MULTILINE):
        pairs = (line.partition(" ")[::2] for line in block.splitlines() if " " in line)
        record = {name: value.strip() for name, value in pairs}
        if all(name in record for name in _NEEDED):
            yield record


def _account(record: Mapping[str, str], times: Times) -> Account | None:
    failed, _, why = record["failed"].partition(":")
    status = record["exit_status"].partition(" ")[0]
    if not (failed.strip().isdecimal() and status.isdecimal()):
        return None
    wall, cpu = _seconds(record.get("ru_wallclock", "")), _seconds(record.get("cpu", ""))
    limit = _limit(record["category"], cpu)
    end = exit_of(int(failed), why.strip(), int(status), limit=limit)
    if end is None:
        return None
    form = "%a %b %d %H:%M:%S %Y"
    return Account(
        record["jobnumber"],
        end,
        tag=record.get("jobname", ""),
        usage=Usage(wall, cpu, _kib(record.get("ru_maxrss", ""))),
        submitted_at=times(record.get("qsub_time", ""), form),
        started_at=times(record.get("start_time", ""), form),
        ended_at=times(record.get("end_time", ""), form),
        raw="\n".join(f"{name} {value}" for name, value in record.items()),
    )


def _limit(category: str, cpu: float) -> str:
    """Which of the limits that were asked for was hit."""
    asked = dict(re.findall(r"\b(h_rt|h_cpu|h_vmem)=(\d+)", category))
    if "h_cpu" in asked and cpu >= int(asked["h_cpu"]):
        return "cpu"
    if "h_rt" in asked or not asked:
        return "wall"
    return "memory" if "h_vmem" in asked else "cpu"


def _seconds(word: str) -> float:
    """Of ``7s`` or ``0.011s``; 0 for anything else."""
    match = re.match(r"(\d+(?:\.\d+)?)s?$", word)
    return float(match[1]) if match else 0.0


_SCALE = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def _size(word: str) -> float:
    match = re.match(r"(\d+(?:\.\d+)?)([KMGT]?)B?$", word)
    return float(match[1]) * _SCALE[match[2]] if match else 0.0


def _kib(word: str) -> int:
    """KiB of ``ru_maxrss``: qacct takes the kernel's KiB for bytes, and writes 4556 as 4.449KB."""
    return round(_size(word))


def found(results: Sequence[CommandResult]) -> Mapping[str, tuple[str, ...]]:
    """tag -> ids, of the queue and of the history. A look that failed is an error, no absence."""
    ids: dict[str, dict[str, None]] = {}
    for result in results:
        _reachable("a search by name", result)
        parts = base.text(result.stdout).split(PART + "\n")
        if result.exit != 0 or len(parts) != 3:
            raise _down("a search by name", result)
        strange = [
            line
            for line in base.text(result.stderr).splitlines()
            if line and not _NOT_FOUND.search(line)
        ]
        if strange:
            raise _down("a search by name", result)
        ids |= {tag: {} for tag in parts[0].split()}
        seen = [(job.get("JB_name"), job.get("JB_job_number")) for job in _jobs(parts[1], result)]
        seen += [(job.get("jobname"), job["jobnumber"]) for job in _records(parts[2])]
        for tag, identity in seen:
            if tag in ids and identity:
                ids[tag][identity] = None
    return {tag: tuple(known) for tag, known in ids.items() if known}


def outcomes(verb: str, native_ids: Sequence[str], result: CommandResult) -> Mapping[str, Outcome]:
    """What became of a verb: the text tells, the exit status does not (0 on refusals of qmod)."""
    _reachable(verb, result)
    said = base.text(result.stdout) + "\n" + base.text(result.stderr)
    if PART in said:
        said = _one_by_one(said)
    lines = {identity: _about(identity, said.splitlines()) for identity in native_ids}
    if not any(lines.values()):
        raise _down(verb, result)
    return {identity: _outcome(lines[identity]) for identity in native_ids}


def _one_by_one(said: str) -> str:
    """qhold and qrls say nothing, with success, of a job that is as they would make it."""
    return re.sub(
        rf"(?:\A|(?<=\n)){PART}(\d+) 0$", r"modified hold of job \1", said, flags=re.MULTILINE
    )


def _about(identity: str, said: Sequence[str]) -> str:
    mine = re.compile(rf"(?<![\w.]){re.escape(identity)}(?:\.\d+)?(?!\w)")
    return next((line.strip() for line in said if mine.search(line)), "")


def _outcome(line: str) -> Outcome:
    if not line:
        return Outcome(ok=False, message="SGE says nothing of this job")
    if _DONE.search(line):
        return Outcome(ok=True, message=line)
    return Outcome(ok=False, message=f"SGE: {line}", gone=bool(_GONE.search(line)))


def facts(results: Sequence[CommandResult]) -> ProbeFacts:
    """What the probe found. Memory is that of the largest host."""
    (result,) = results
    _reachable("the probe of SGE", result)
    parts = base.text(result.stdout).split(PART + "\n")
    version = parts[0].strip()
    if result.exit != 0 or len(parts) != 5:
        raise _down("the probe", result)
    if not re.match(r"(SGE|OGS/GE|GE|UGE|OGE|AGE) ", version):
        raise SiteError(
            f"the qstat that the cluster's options name is not SGE's: it says {version!r}"
            " (give the option bin or sge_root)",
            code=ErrorCode.CONFIGURATION,
        )
    queues = list(_xml(parts[1], "job_info", result).iter("cluster_queue_summary"))
    states = [judge(job.get("state", "")) for job in _jobs(parts[2], result)]
    hosts = list(_xml(parts[4], "qhost", result).iter("host"))
    total, used = _sum(hosts, "mem_total"), _sum(hosts, "mem_used")
    return ProbeFacts(
        version=version,
        total_cpus=sum(int(queue.findtext("total") or 0) for queue in queues),
        free_cpus=sum(int(queue.findtext("available") or 0) for queue in queues),
        memory=max(total.values(), default=None),
        free_memory=max((total[name] - used.get(name, 0) for name in total), default=None),
        waiting=states.count(NativeState.WAITING),
        running=states.count(NativeState.RUNNING),
        queues=tuple(_queues(parts[3], {q.findtext("name"): q for q in queues})),
    )


def _sum(hosts: Sequence[etree._Element], what: str) -> dict[str, int]:
    """host -> MB."""
    found = {}
    for host in hosts:
        for value in host.iter("hostvalue"):
            if value.get("name") == what and (size := _size(value.text or "")):
                found[str(host.get("name"))] = int(size / 1024**2)
    return found


def _queues(said: str, summaries: Mapping[str | None, etree._Element]) -> Iterator[QueueFacts]:
    for block in re.split(r"^(?=qname )", said, flags=re.MULTILINE):
        pairs = (line.partition(" ")[::2] for line in block.splitlines())
        queue = {name: value.strip() for name, value in pairs}
        if name := queue.get("qname"):
            summary = summaries.get(name)
            total = int(summary.findtext("total") or 0) if summary is not None else 0
            yield QueueFacts(name, max_wall=_minutes(queue.get("h_rt", "")), max_cpus=total or None)


def _minutes(word: str) -> int | None:
    """Of ``0:10:0``, perhaps followed by ``,[host=...]``; None for INFINITY."""
    parts = word.partition(",")[0].split(":")
    if not all(part.isdecimal() for part in parts):
        return None
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + int(part)
    return seconds // 60


def _reachable(what: str, result: CommandResult) -> None:
    if error := base.plain_result_error(what, result):
        raise error


def _down(what: str, result: CommandResult) -> SiteError:
    said = base.words(result)
    return SiteError(
        f"SGE does not answer {what}: {said}", code=ErrorCode.BATCH_SYSTEM_DOWN, detail=said
    )
