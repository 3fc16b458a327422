"""Where the book of sites puts things on a cluster."""

from __future__ import annotations

from pathlib import Path

from grms.adapters.fork import Fork
from grms.broker.records import Cluster
from grms.server.wiring import SiteBook


def test_each_account_gets_a_tree_of_its_own(tmp_path: Path) -> None:
    sites = SiteBook()
    cluster = Cluster(name="c", batch="fork", workdir=f"{tmp_path}/{{account}}/jobs")
    ann, own = sites.site(cluster, "ann"), sites.site(cluster, "")
    sites.close()
    assert ann.layout.workdir == f"{tmp_path}/ann/jobs"
    assert own.layout.workdir == f"{tmp_path}/grms/jobs"
    assert Path(ann.wrapper).exists()
    assert isinstance(ann.adapter, Fork)
    assert ann.adapter.tags == ann.layout.tags
    assert ann.cluster == cluster


def test_a_site_is_kept_until_its_cluster_is_described_anew(tmp_path: Path) -> None:
    sites = SiteBook()
    first = Cluster(name="c", batch="fork", workdir=f"{tmp_path}/a")
    assert sites.site(first, "") is sites.site(first, "")
    second = Cluster(name="c", batch="fork", workdir=f"{tmp_path}/b")
    assert sites.site(second, "").layout.workdir == f"{tmp_path}/b"
    sites.close()
