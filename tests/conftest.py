"""Says at the end of a run which systems were real, which were simulated, which were left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import pytest

_PARAMETERS = ("system", "site", "url")
_SIMULATED = ("pbs_sim", "lsf_sim")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The system that a test runs on travels with its report, also from an xdist worker."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        for parameter in _PARAMETERS:
            name = callspec.params.get(parameter) if callspec else None
            if isinstance(name, str) and name.isidentifier():
                item.user_properties.append(("system", name))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each system."""
    told = _told(
        report
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport)
    )
    if told:
        terminalreporter.section("systems of this run")
    for line in told:
        terminalreporter.write_line(line)


def _told(reports: Iterable[pytest.TestReport]) -> list[str]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: dict[str, str] = {}
    for report in reports:
        for name in (value for key, value in report.user_properties if key == "system"):
            if report.when == "call" or report.outcome != "passed":
                counts[name][report.outcome] += 1
            if report.when == "setup" and report.skipped and isinstance(report.longrepr, tuple):
                reasons[name] = report.longrepr[2].removeprefix("Skipped: ")
    return [_line(name, counts[name], reasons.get(name, "")) for name in sorted(counts)]


def _line(name: str, count: Counter[str], reason: str) -> str:
    if not count["passed"] and not count["failed"]:
        return f"{name}: NOT TESTED: {reason or 'every test of it was skipped'}"
    kind = "a SIMULATOR of what was recorded" if name in _SIMULATED else "the real one"
    return f"{name}: {kind}: " + ", ".join(f"{n} {what}" for what, n in sorted(count.items()))
