"""What Slurm's commands answer, read into the broker's values. Nothing here runs anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from grms.adapters import base
from grms.adapters.slurm.commands import FIELD, PART
from grms.adapters.slurm.states import exit_of, judge
from grms.broker.ports.batch import (
    Account,
    CommandResult,
    NativeStatus,
    Outcome,
    ProbeFacts,
    QueueFacts,
)
from grms.broker.records import Usage
from grms.errors import ErrorCode, SiteError

#: Words of refusals that pass: the controller is away or overloaded, a count is full.
_PASSING = re.compile(
    r"contact slurm|timed out|connection|communication|zero bytes|temporar|standby|munge"
    r"|authentication|rate limit|too many|AssocMaxSubmit|QOSMaxSubmit|MaxSubmit|try again|slurmdbd"
    r"|socket|message",
    re.IGNORECASE,
)
_REFUSED = "Batch job submission failed: "
_NO_ACCOUNTING = "accounting storage is disabled"
_UNKNOWN = re.compile(r"Invalid job id", re.IGNORECASE)
_OVER = re.compile(r"already complet", re.IGNORECASE)
_VERB = re.compile(
    r"^(?:scancel: error: Kill job error on job id (?P<id>\d+): (?P<why>.*)"
    r"|(?P<why2>.*) for job (?P<id2>\d+))$",
    re.MULTILINE,
)
_ID = re.compile(r"\d+(_(\d+|\[.*\]))?(\+\d+)?")


def native_id(result: CommandResult) -> str:
    """The id that ``sbatch --parsable`` gave. Raises SiteError as the port says."""
    _reachable("sbatch", result)
    if result.exit == 0:
        # A line without its end may be cut, and half an id is another job's.
        for line in base.text(result.stdout).split("\n")[:-1]:
            if found := re.fullmatch(r"(\d+)(;\S*)?", line.strip()):
                return found[1]
        raise base.rubbish("sbatch", result)
    said = base.words(result)
    if _REFUSED not in said or _PASSING.search(said):
        raise SiteError(
            f"Slurm does not take jobs now: {said}", code=ErrorCode.BATCH_SYSTEM_DOWN, detail=said
        )
    lines = [line.removeprefix("sbatch: error: ") for line in said.splitlines()]
    why = [line.removeprefix(_REFUSED) for line in lines if line]
    raise SiteError(
        f"Slurm refused the job: {'; '.join(why)}",
        code=ErrorCode.REFUSED_BY_BATCH_SYSTEM,
        transient=False,
        detail=said,
    )


def statuses(result: CommandResult) -> Mapping[str, NativeStatus]:
    """What ``squeue`` lists."""
    rows = _rows("squeue", result, 7)
    return {row[0]: _status(row) for row in rows}


def _status(row: Sequence[str]) -> NativeStatus:
    identity, word, reason, submitted, start, end, name = row
    state, why = judge(word, reason)
    begun = state.value in ("running", "suspended", "ending")
    return NativeStatus(
        identity,
        state,
        word=word,
        reason=why,
        tag=name,
        submitted_at=_time(submitted),
        # Of a waiting job these are estimates; one cancelled while waiting gets a start, too.
        started_at=_time(start) if begun else None,
        ended_at=_time(end) if state.value == "ended" else None,
    )


def accounts(result: CommandResult) -> Mapping[str, Account]:
    """The ended jobs that ``scontrol`` or ``sacct`` know; sacct's word outranks."""
    _reachable("sacct", result)
    shown, mark, listed = base.text(result.stdout).partition(PART + "\n")
    if not mark:
        raise base.rubbish("scontrol and sacct", result)
    said = base.text(result.stderr)
    if result.exit != 0 and _NO_ACCOUNTING not in said.lower():
        raise _down("sacct", result)
    known = {item.native_id: item for item in map(_shown, shown.splitlines()) if item}
    for group in _groups(listed, result):
        if account := _listed(group, known):
            known[account.native_id] = account
    return known


def _shown(line: str) -> Account | None:
    fields = dict(re.findall(r"(?:^| )([A-Z]\w+)=(\S*)", line))
    code = re.fullmatch(r"(\d+):(\d+)", fields.get("ExitCode", ""))
    if not code or "JobId" not in fields:
        return None
    end = exit_of(fields.get("JobState", ""), int(code[1]), int(code[2]))
    if end is None:
        return None
    start, stop = _time(fields.get("StartTime", "")), _time(fields.get("EndTime", ""))
    return Account(
        fields["JobId"],
        end,
        tag=fields.get("JobName", ""),
        usage=None,
        submitted_at=_time(fields.get("SubmitTime", "")),
        started_at=None if start == stop and fields["JobState"] == "CANCELLED" else start,
        ended_at=stop,
        by_user=fields["JobState"] == "CANCELLED",
        raw=line,
    )


def _groups(listed: str, result: CommandResult) -> Iterator[list[list[str]]]:
    """The rows of each job: its own first, then those of its steps (``15.batch``)."""
    if listed and not listed.endswith("\n"):
        raise base.rubbish("sacct", result)
    group: list[list[str]] = []
    for line in listed.splitlines():
        row = line.split(FIELD)
        if len(row) != 10:
            continue
        if group and row[0].partition(".")[0] == group[0][0]:
            group.append(row)
            continue
        if group:
            yield group
        group = [row]
    if group:
        yield group


def _listed(group: Sequence[Sequence[str]], known: Mapping[str, Account]) -> Account | None:
    identity, state, code, submitted, start, end, elapsed, cpu, _, name = group[0]
    codes = re.fullmatch(r"(\d+):(\d+)", code)
    word = state.partition(" ")[0]
    ended = exit_of(word, int(codes[1]), int(codes[2])) if codes else None
    if ended is None:
        return None
    return Account(
        identity,
        # scontrol keeps the signal that sacct leaves out of TIMEOUT and CANCELLED.
        known[identity].exit if identity in known else ended,
        tag=name,
        usage=Usage(_number(elapsed), _duration(cpu), max(_kib(row[8]) for row in group)),
        submitted_at=_time(submitted),
        started_at=_time(start),
        ended_at=_time(end),
        by_user=word == "CANCELLED",
        raw="\n".join("|".join(row) for row in group),
    )


def found(results: Sequence[CommandResult]) -> Mapping[str, tuple[str, ...]]:
    """tag -> ids, of the queue and of the history. A look that failed is an error, no absence."""
    tags: dict[str, dict[str, None]] = {}
    for result in results:
        if _NO_ACCOUNTING in base.text(result.stderr).lower():
            raise SiteError(
                "this Slurm keeps no accounting: give the cluster the option accounting=no",
                code=ErrorCode.CONFIGURATION,
            )
        for identity, name in _rows("a search by name", result, 2):
            tags.setdefault(name, {})[identity] = None
    return {name: tuple(ids) for name, ids in tags.items()}


def outcomes(verb: str, native_ids: Sequence[str], result: CommandResult) -> Mapping[str, Outcome]:
    """What became of a verb. Slurm names the jobs on which it failed, and no others."""
    _reachable(verb, result)
    said = base.text(result.stderr) + base.text(result.stdout)
    failed = {
        match["id"] or match["id2"]: (match["why"] or match["why2"]).removeprefix("scontrol: ")
        for match in _VERB.finditer(said)
    }
    if result.exit != 0 and not set(failed) & set(native_ids):
        if len(native_ids) == 1 and _UNKNOWN.search(said):
            failed = {native_ids[0]: said.strip()}
        else:
            raise _down(verb, result)
    return {identity: _outcome(verb, failed.get(identity)) for identity in native_ids}


def _outcome(verb: str, why: str | None) -> Outcome:
    if why is None:
        return Outcome(ok=True)
    if _OVER.search(why):
        return Outcome(ok=verb == "cancel", message=why)
    return Outcome(ok=False, message=f"Slurm: {why}", gone=bool(_UNKNOWN.search(why)))


def facts(results: Sequence[CommandResult]) -> ProbeFacts:
    """What the probe found. Memory is that of the largest node: a job's memory is on one."""
    for result in results:
        _reachable("the probe of Slurm", result)
        if result.exit != 0:
            raise _down("the probe of Slurm", result)
    version = base.text(results[0].stdout).strip()
    if "slurm" not in version:
        raise base.rubbish("sinfo -V", results[0])
    # A node is listed once for each of its partitions.
    nodes = {row[0]: row for row in _rows("sinfo", results[1], 5)}.values()
    usable = [row for row in nodes if not row[4].startswith(("down", "drain", "fail", "unk"))]
    words = base.text(results[3].stdout).split()
    return ProbeFacts(
        version=version,
        total_cpus=sum(_cpus(row[1], 3) for row in nodes),
        free_cpus=sum(_cpus(row[1], 1) for row in usable),
        memory=_largest(row[2] for row in nodes),
        free_memory=_largest(row[3] for row in usable),
        waiting=words.count("PENDING"),
        running=words.count("RUNNING"),
        queues=tuple(filter(None, map(_queue, base.text(results[2].stdout).splitlines()))),
    )


def _queue(line: str) -> QueueFacts | None:
    fields = dict(word.partition("=")[::2] for word in line.split())
    if "PartitionName" not in fields:
        return None
    wall = _duration(fields.get("MaxTime", ""))
    cpus = fields.get("TotalCPUs", "")
    return QueueFacts(
        fields["PartitionName"],
        default=fields.get("Default") == "YES",
        max_wall=int(wall // 60) or None,
        max_cpus=int(cpus) if cpus.isdecimal() else None,
    )


def _reachable(what: str, result: CommandResult) -> None:
    if error := base.plain_result_error(what, result):
        raise error


def _down(what: str, result: CommandResult) -> SiteError:
    said = base.words(result)
    return SiteError(
        f"Slurm does not answer {what}: {said}", code=ErrorCode.BATCH_SYSTEM_DOWN, detail=said
    )


def _rows(what: str, result: CommandResult, width: int) -> Iterable[list[str]]:
    """The rows of ``width`` fields; SiteError when the answer is half or none."""
    _reachable(what, result)
    if result.exit != 0:
        raise _down(what, result)
    said = base.text(result.stdout)
    rows = [line.split(FIELD, width - 1) for line in said.split("\n") if line]
    good = [row for row in rows if len(row) == width and (width == 5 or _ID.fullmatch(row[0]))]
    if rows and (not good or not said.endswith("\n")):
        raise base.rubbish(what, result)
    return good


def _time(word: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(word), UTC)
    except (ValueError, OverflowError, OSError):
        return None  # N/A, Unknown, None


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return 0.0


def _duration(word: str) -> float:
    """Seconds of ``[days-][hours:]minutes:seconds[.fraction]``; 0 for anything else."""
    days, dash, rest = word.rpartition("-")
    parts = rest.split(":")
    if not re.fullmatch(r"\d+(:\d+)*(\.\d+)?", rest) or (dash and not days.isdecimal()):
        return 0.0
    seconds = 0.0
    for part in parts:
        seconds = seconds * 60 + float(part)
    return seconds + 86400 * int(days or 0)


def _kib(word: str) -> int:
    return int(_number(word.removesuffix("K")))


def _cpus(word: str, place: int) -> int:
    """One number of ``allocated/idle/other/total``."""
    parts = word.split("/")
    return int(parts[place]) if len(parts) == 4 and parts[place].isdecimal() else 0


def _largest(words: Iterable[str]) -> int | None:
    return max((int(word) for word in words if word.isdecimal()), default=None)
