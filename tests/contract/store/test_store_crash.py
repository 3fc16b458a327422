"""Kill -9 in the middle of accepting: what was acknowledged is there, whole, and once."""

import pytest
from store_cases import start_worker

from grms.broker.ports.store import JobQuery
from grms.store import check, open_store


@pytest.mark.parametrize("acknowledged", [1, 37, 150])
def test_no_acknowledged_job_is_lost_by_a_kill(url, acknowledged):
    open_store(url).close()
    worker = start_worker("for-ever", url, "j")
    printed = [worker.stdout.readline().strip() for _ in range(acknowledged)]
    worker.kill()
    printed += worker.communicate()[0].split()

    store = open_store(url)
    kept = store.job_ids(JobQuery())
    assert set(printed) <= set(kept)
    assert len(kept) - len(printed) in (0, 1)  # one may be stored and not yet acknowledged
    for job_id in kept:
        assert [event.number for event in store.events(job_id)] == [1]
    store.close()
    assert all(finding.ok for finding in check(url))
