"""How findings of the administrator's commands are printed: one line each, or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import Enum, unique

import click


@unique
class Verdict(Enum):
    """How a finding stands; only FAIL makes a command end with 1."""

    OK = "ok"
    WARN = "warn"
    SKIP = "skip"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: where, what was seen, and how to mend it if it is not well."""

    verdict: Verdict
    where: str
    what: str
    cure: str = ""

    def __str__(self) -> str:
        cure = f"; {self.cure}" if self.cure else ""
        return " ".join(f"{self.verdict.value:4} {self.where}: {self.what}{cure}".split("\n"))


def ok(where: str, what: str) -> Finding:
    """All is well."""
    return Finding(Verdict.OK, where, what)


def warn(where: str, what: str, cure: str) -> Finding:
    """It works, but somebody should look at it."""
    return Finding(Verdict.WARN, where, what, cure)


def fail(where: str, what: str, cure: str = "") -> Finding:
    """It does not work."""
    return Finding(Verdict.FAIL, where, what, cure)


def skip(where: str, what: str) -> Finding:
    """It was not looked at, and why."""
    return Finding(Verdict.SKIP, where, what)


def show(findings: Iterable[Finding], *, as_json: bool) -> int:
    """Print findings as they come (JSON at the end); the exit code, 1 if one is a FAIL."""
    seen = []
    for finding in findings:
        seen.append(finding)
        if not as_json:
            click.echo(str(finding))
    if as_json:
        items = [asdict(finding) | {"verdict": finding.verdict.value} for finding in seen]
        click.echo(json.dumps(items, indent=2, ensure_ascii=False))
    return int(any(finding.verdict is Verdict.FAIL for finding in seen))
