"""The conformance report tells a good batch system from one that breaks a promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

from grms.adapters.fork import Fork
from grms.broker.edges import Edges
from grms.broker.ports.batch import Account, CommandResult, Outcome, Traits
from grms.broker.ports.sites import Site
from grms.errors import SiteError
from grms.server.conformance import PROMISES, conformance
from grms.server.reports import Finding, Verdict
from grms.server.trial import UnmetError, awaited


def report(site: Site, adapter: type[Fork], *, quick: bool = False) -> dict[str, Finding]:
    """The findings on a batch system with this adapter, by what was tried."""
    options = {**site.cluster.options, "wrapper": site.wrapper, "python": site.python}
    broken = replace(site, adapter=adapter(replace(site.cluster, options=options)))
    return {item.where: item for item in conformance(broken, quick=quick, patience=20)}


def test_the_embedded_cluster_keeps_every_promise_and_is_left_clean(
    edges: Edges, site: Site, server: Callable[..., Result]
) -> None:
    result = server("conformance", "localhost", "--patience", "120")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert len(lines) == len(PROMISES) + 1
    assert all(line.startswith("ok   ") for line in lines)
    for folder in ("jobs", "tags", "inbox"):
        assert list((Path(site.layout.workdir) / folder).iterdir()) == []


def test_the_short_form_tries_only_what_every_job_depends_on(
    edges: Edges, server: Callable[..., Result]
) -> None:
    lines = server("conformance", "localhost", "--quick", "--patience", "120").stdout.splitlines()
    assert len(lines) == sum(promise.quick for promise in PROMISES) + 1


class _Refuses(Fork):
    def parse_submit(self, result: CommandResult) -> str:
        raise SiteError("no queue of that name", transient=False)


class _Forgetful(Fork):
    def parse_find(self, results: Sequence[CommandResult]) -> Mapping[str, tuple[str, ...]]:
        return {}


class _Stubborn(Fork):
    traits = Traits(can_suspend=False, finds_finished=False)

    def parse_outcome(
        self, verb: str, native_ids: Sequence[str], result: CommandResult
    ) -> Mapping[str, Outcome]:
        if verb == "release":
            return {key: Outcome(False, "not permitted") for key in native_ids}
        return super().parse_outcome(verb, native_ids, result)


class _Liar(Fork):
    def parse_account(self, result: CommandResult) -> Mapping[str, Account]:
        told = super().parse_account(result)
        return {key: replace(a, exit=replace(a.exit, code=0)) for key, a in told.items()}


def test_a_system_that_takes_no_jobs_breaks_every_promise_with_its_own_words(site: Site) -> None:
    found = report(site, _Refuses, quick=True)
    assert {f.verdict for w, f in found.items() if w != "cleaning up"} == {Verdict.FAIL}
    assert "seen: no queue of that name" in found["a job that succeeds"].what


def test_a_system_that_forgets_names_is_found_out(site: Site) -> None:
    failed = [w for w, f in report(site, _Forgetful, quick=True).items() if f.verdict is _FAIL]
    assert failed == ["the tag of a live job"]


_FAIL = Verdict.FAIL


def test_a_wrong_account_and_a_refused_verb_are_found_out_and_traits_are_skipped(
    site: Site,
) -> None:
    found = report(site, type("_Bad", (_Stubborn, _Liar), {}))
    assert [w for w, f in found.items() if f.verdict is _FAIL] == ["hold and release", "accounting"]
    assert "not permitted" in found["hold and release"].what
    assert "0, not 7" in found["accounting"].what
    skipped = [w for w, f in found.items() if f.verdict is Verdict.SKIP]
    assert skipped == ["suspend and resume", "the tag of a finished job"]


def test_an_unknown_cluster_is_named(edges: Edges, server: Callable[..., Result]) -> None:
    result = server("conformance", "hpc")
    assert (result.exit_code, "known: localhost" in result.stderr) == (1, True)


def test_waiting_in_vain_says_for_what() -> None:
    with pytest.raises(UnmetError, match="in vain for the moon"):
        awaited(lambda: None, "the moon", 0.0)
