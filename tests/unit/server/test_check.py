"""What ``grms-server check`` says of a broker, well and ill."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result

from grms.adapters.pbs import Pbs
from grms.broker.edges import Edges
from grms.broker.ports.batch import CommandResult
from grms.broker.ports.sites import Site
from grms.broker.ports.store import Lease
from grms.broker.records import Cluster
from grms.broker.vitals import Vitals, write_vitals
from grms.config import Settings
from grms.server import guard
from grms.server.check import check, check_data_dir, check_engine, check_port, check_settings
from grms.server.check_cluster import check_cluster, judge_clock, judge_python, judge_sharing
from grms.server.reports import Verdict
from grms.server.wiring import SiteBook

OK, WARN, FAIL = Verdict.OK, Verdict.WARN, Verdict.FAIL


def test_a_broker_that_is_well_has_no_fault(
    edges: Edges, server: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRMS_PORT", "0")
    result = server("check")
    assert result.exit_code == 0, result.output
    assert "FAIL" not in result.output
    for area in ("settings", "data directory", "database", "disk", "port", "cluster localhost"):
        assert f"ok   {area}: " in result.output


def test_the_answer_can_be_had_as_json(edges: Edges, server: Callable[..., Result]) -> None:
    items = json.loads(server("check", "--json").stdout)
    assert {"verdict", "where", "what", "cure"} == set(items[0])


def test_a_broker_that_was_never_made_is_told_how_to_make_it(server: Callable[..., Result]) -> None:
    result = server("check")
    assert result.exit_code == 1
    assert "FAIL data directory" in result.output
    assert "grms-server migrate" in result.output


def test_a_damaged_database_is_a_finding_and_no_traceback(
    settings: Settings, server: Callable[..., Result]
) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "grms.db").write_bytes(b"this is no database, and long enough to tell")
    result = server("check")
    assert result.exit_code == 1
    assert "FAIL database" in result.output
    assert isinstance(result.exception, SystemExit)


def test_every_fault_has_a_cure(settings: Settings) -> None:
    faults = [finding for finding in check(settings) if finding.verdict is not OK]
    assert faults
    assert [finding for finding in faults if not finding.cure] == []


def test_a_data_directory_open_to_others_is_a_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    found = {finding.verdict: finding for finding in check_data_dir(tmp_path)}
    assert "chmod 700" in found[WARN].cure


def test_an_open_door_to_everybody_is_a_warning() -> None:
    settings = Settings(anonymous="guest", host="0.0.0.0")
    texts = [f.what for f in check_settings(settings) if f.verdict is WARN]
    assert any("anyone who reaches 0.0.0.0" in text for text in texts)


def test_a_port_that_another_program_uses_is_a_fault(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        finding = check_port(replace(settings, port=other.getsockname()[1]))
    assert finding.verdict is FAIL
    assert "--port" in finding.cure


def test_a_port_that_our_own_service_uses_is_well(settings: Settings) -> None:
    settings.data_dir.mkdir()
    with guard.held(settings.data_dir, guard.SERVER):
        finding = check_port(settings)
    assert (finding.verdict, "the service runs" in finding.what) == (OK, True)


def test_an_engine_that_makes_no_turns_is_a_fault(settings: Settings) -> None:
    settings.data_dir.mkdir()
    now = datetime.now(UTC)
    write_vitals(settings.data_dir, Vitals("engine-1", 7, now - timedelta(seconds=90)))
    with guard.held(settings.data_dir, guard.ENGINE):
        (silent,) = check_engine(settings, [], now)
        (well,) = check_engine(settings, [], now - timedelta(seconds=89))
    (absent,) = check_engine(settings, [], now)
    assert [silent.verdict, well.verdict, absent.verdict] == [FAIL, OK, WARN]


def test_a_service_without_an_engine_is_a_fault_and_its_log_the_place_to_look(
    settings: Settings,
) -> None:
    settings.data_dir.mkdir()
    with guard.held(settings.data_dir, guard.SERVER):
        (alone,) = check_engine(settings, [], datetime.now(UTC))
    assert (alone.verdict, "log" in alone.cure) == (FAIL, True)


def test_the_holders_of_leases_are_named(settings: Settings) -> None:
    now = datetime.now(UTC)
    lease = Lease("site:hpc:", "engine-1", now + timedelta(seconds=40))
    texts = [finding.what for finding in check_engine(settings, [lease], now)]
    assert "site:hpc: is held by engine-1, for 40 s more" in texts


@pytest.mark.parametrize(
    ("told", "verdict", "part"),
    [
        (b"1000\n", OK, "differs by 0 s"),
        (b"1059\n", OK, "differs by 59 s"),
        (b"1061\n", FAIL, "ahead"),
        (b"400\n", FAIL, "behind"),
        (b"date: no such program", WARN, "cannot be read"),
    ],
)
def test_a_clock_is_judged_by_its_difference(told: bytes, verdict: Verdict, part: str) -> None:
    finding = judge_clock("cluster c", CommandResult(0, told), 1000.0)
    assert (finding.verdict, part in finding.what) == (verdict, True)


@pytest.mark.parametrize(
    ("version", "verdict"), [("3.6.8", OK), ("3.13.0", OK), ("3.5.2", FAIL), ("", FAIL)]
)
def test_a_python_too_old_for_the_wrapper_is_a_fault(version: str, verdict: Verdict) -> None:
    assert judge_python("cluster c", "python3", version).verdict is verdict


class _OneSite:
    def __init__(self, site: Site) -> None:
        self._site = site

    def site(self, cluster: Cluster, account: str) -> Site:
        return self._site


def test_a_cluster_without_its_batch_commands_is_a_fault_that_names_them(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    options = {"directory": "/no/such/place", "bin": "/no/such/place"}
    adapter = Pbs(replace(site.cluster, batch="pbs", options=options))
    there = replace(site, adapter=adapter)
    texts = [f.what for f in check_cluster(_OneSite(there), site.cluster) if f.verdict is FAIL]
    assert any("not found there" in text and "qstat" in text for text in texts)


def test_a_cluster_that_cannot_be_reached_is_a_fault_with_its_reason(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    sites = SiteBook()
    (finding,) = check_cluster(sites, Cluster(name="c", batch="fork", workdir=f"{blocked}/w"))
    sites.close()
    assert (finding.verdict, str(blocked) in finding.what) == (FAIL, True)


@pytest.mark.parametrize(("mode", "well"), [("1777", True), ("700", False), ("", False)])
def test_a_workdir_closed_to_the_users_accounts_is_a_warning(mode: str, well: bool) -> None:
    finding = judge_sharing("cluster c", "/scratch", CommandResult(0, mode.encode()))
    assert (finding is None) is well
    assert well or "{account}" in str(finding)


def test_only_a_cluster_that_accounts_share_is_looked_at_for_it(site: Site) -> None:
    shared = replace(site, cluster=replace(site.cluster, transport="local+sudo"))
    found = check_cluster(_OneSite(shared), site.cluster, ["ann"])
    assert [f.verdict for f in found if "accounts" in f.what] == [WARN]
    for there, accounts in ((shared, []), (site, ["ann"])):
        found = list(check_cluster(_OneSite(there), site.cluster, accounts))
        assert not any("accounts" in f.what for f in found)


def test_a_drained_cluster_is_looked_at_and_said_to_be_drained(tmp_path: Path) -> None:
    sites = SiteBook()
    cluster = Cluster(name="c", batch="fork", workdir=str(tmp_path), drained=True)
    verdicts = [finding.verdict for finding in check_cluster(sites, cluster)]
    sites.close()
    assert verdicts[:2] == [WARN, OK]
