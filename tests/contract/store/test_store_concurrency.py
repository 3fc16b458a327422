"""Several threads and several processes on one database: nothing doubled, nothing skipped."""

import threading
import tracemalloc
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from sqlalchemy import text
from store_cases import NOW, later, make_event, make_job, start_worker

from grms.broker.lifecycle import LIVE
from grms.broker.ports.store import JobQuery
from grms.broker.records import Wish, WishKind
from grms.store import open_store
from grms.store.events import append_event
from grms.store.rows import values
from grms.store.schema import jobs

PATIENCE = 240


def workers(*argument_lists):
    """Run store_worker.py once for each list of arguments, at the same time; their lines."""
    started = [start_worker(*arguments) for arguments in argument_lists]
    outputs = [process.communicate(timeout=PATIENCE)[0].split() for process in started]
    assert [process.returncode for process in started] == [0] * len(started)
    return outputs


def at_once(count, act):
    """Call ``act(number)`` in ``count`` threads that start together; their results."""
    barrier = threading.Barrier(count)

    def one(number):
        barrier.wait(PATIENCE)
        return act(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_one_key_posted_eight_times_at_once_is_one_job(store):
    answers = at_once(
        8, lambda n: store.accept(make_job(f"j{n}"), [make_event()], key="k", digest="d")
    )
    assert len({answer.job.id for answer in answers}) == 1
    assert sum(not answer.repeated for answer in answers) == 1
    assert store.job_ids(JobQuery()) == [answers[0].job.id]
    assert len(store.stream(after=0, limit=99)) == 1


def test_one_key_posted_by_two_processes_is_one_job(url, store):
    first, second = workers(("accept-key", url, "a"), ("accept-key", url, "b"))
    assert first == second
    assert len(store.job_ids(JobQuery())) == len(first) == 20


def test_four_threads_claim_each_job_once(store):
    for number in range(40):
        store.accept(make_job(f"j{number}"), [])

    def drain(number):
        taken = []
        while got := store.claim(f"e{number}", LIVE, NOW, later(60), 3):
            taken += [job.id for job in got]
        return taken

    counted = Counter(name for names in at_once(4, drain) for name in names)
    assert counted == Counter({f"j{number}": 1 for number in range(40)})


def test_two_processes_claim_each_job_once(url, store):
    for number in range(60):
        store.accept(make_job(f"j{number}"), [])
    taken = workers(("claim", url, "e1"), ("claim", url, "e2"))
    counted = Counter(name for names in taken for name in names)
    assert counted == Counter({f"j{number}": 1 for number in range(60)})


def test_writers_in_two_processes_leave_no_gap_in_a_story(url, store):
    store.accept(make_job(), [])
    workers(("note", url, "a"), ("note", url, "b"))
    assert [event.number for event in store.events("j1")] == list(range(1, 61))


def test_a_reader_of_the_stream_skips_nothing_while_others_write(url, store):
    store.accept(make_job(), [])
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(workers, ("note", url, "a"), ("note", url, "b"))
        seen, cursor = [], 0
        while not writing.done() or store.stream(after=cursor, limit=1):
            for event in store.stream(after=cursor, limit=5):
                seen.append(event.number)
                cursor = event.cursor
            wait([writing], timeout=0.01)
        writing.result()
    assert seen == list(range(1, 61))


def test_no_event_appears_before_one_with_a_smaller_cursor(url, store):
    """While one writer has its cursor and is not committed, another must not overtake it."""
    for name in ("j1", "j2"):
        store.accept(make_job(name), [])
    other = open_store(url)
    with ThreadPoolExecutor(1) as pool:

        def slow(connection):
            append_event(connection, "j1", make_event("first"))
            overtaking = pool.submit(other.note, "j2", make_event("second"))
            wait([overtaking], timeout=1)
            return other.stream(after=0, limit=9), overtaking

        seen, overtaking = store._database.write(slow)
        overtaking.result(PATIENCE)
    assert seen == []
    assert [event.text for event in other.stream(after=0, limit=9)] == ["first", "second"]
    other.close()


def test_the_same_wish_from_many_threads_is_one(store):
    store.accept(make_job(), [])
    wish = Wish("j1", WishKind.CANCEL, NOW, "/CN=Ann")
    assert len({w.number for w in at_once(6, lambda _: store.wish(wish, make_event()))}) == 1


def test_the_error_of_one_writer_is_no_other_writers(store):
    store.accept(make_job("taken"), [])

    def act(number):
        try:
            return store.accept(make_job("taken" if number % 2 else f"j{number}"), []).job.id
        except Exception as error:
            return type(error).__name__

    answers = at_once(8, act)
    assert answers[0::2] == ["j0", "j2", "j4", "j6"]
    assert answers[1::2] == ["ConflictError"] * 4
    assert set(store.job_ids(JobQuery())) == {"taken", "j0", "j2", "j4", "j6"}


def test_two_services_that_start_together_make_one_database(url):
    stores = at_once(4, lambda _: open_store(url))
    for opened in stores:
        assert opened.job_ids(JobQuery()) == []
        opened.close()


@pytest.mark.postgresql
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_job_row_that_an_administrator_holds_stops_no_claim(url, store):
    for name in ("held", "free"):
        store.accept(make_job(name), [])
    with store._database.engine.begin() as connection:
        connection.execute(text("SELECT * FROM jobs WHERE id = 'held' FOR UPDATE"))
        assert [job.id for job in store.claim("e", LIVE, NOW, later(60), 9)] == ["free"]


def test_ids_of_many_jobs_are_listed_without_their_descriptions(store):
    """10,000 ids cost far less memory than the descriptions would."""
    fresh = {"claim_at": None, "woken": False, "lease_owner": "", "lease_until": None}
    row = values(make_job(description="x" * 2000)) | fresh
    with store._database.engine.begin() as connection:
        connection.execute(jobs.insert(), [row | {"id": f"j{n}"} for n in range(10_000)])
    tracemalloc.start()
    try:
        assert len(store.job_ids(JobQuery())) == 10_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000
