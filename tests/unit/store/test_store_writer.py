"""Group commit: who waits together is committed together, and answers for itself alone."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import exc, text

from grms.errors import RequestError
from grms.store.database import database_url, make_engine
from grms.store.writer import GroupCommit

PATIENCE = 120


class Bench:
    """A writer on a real connection, whose transactions can be counted, held and broken."""

    def __init__(self, file):
        self.engine = make_engine(database_url(f"sqlite:///{file}"))
        self.commits = 0
        self.fail_begin = self.fail_commit = False
        self.writer = GroupCommit(self.begin)
        with self.engine.begin() as connection:
            connection.execute(text("CREATE TABLE t (n INTEGER)"))

    @contextmanager
    def begin(self):
        if self.fail_begin:
            raise exc.OperationalError("BEGIN", {}, Exception("locked"))
        with self.engine.connect() as connection, connection.begin():
            yield connection
            if self.fail_commit:
                raise exc.OperationalError("COMMIT", {}, Exception("lost"))
            self.commits += 1

    def put(self, number):
        return lambda connection: (
            connection.execute(text("INSERT INTO t VALUES (:n)"), {"n": number}).rowcount
        )

    def kept(self):
        with self.engine.connect() as connection:
            return sorted(connection.scalars(text("SELECT n FROM t")))

    def together(self, *works):
        """Run works so that all of them wait while a first one holds the transaction."""
        entered, go_on = threading.Event(), threading.Event()

        def hold(connection):
            entered.set()
            assert go_on.wait(PATIENCE)

        with ThreadPoolExecutor(len(works) + 1) as pool:
            first = pool.submit(self.writer.run, hold)
            assert entered.wait(PATIENCE)
            futures = []
            for count, work in enumerate(works, 1):
                futures.append(pool.submit(self.writer.run, work))
                deadline = time.monotonic() + PATIENCE
                while len(self.writer._waiting) < count:
                    assert time.monotonic() < deadline
                    time.sleep(0.005)
            go_on.set()
            first.result(PATIENCE)
            return [future.exception(PATIENCE) or future.result() for future in futures]


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path / "db")
    yield made
    made.engine.dispose()


def test_eight_that_wait_share_one_commit(bench):
    assert bench.together(*(bench.put(n) for n in range(8))) == [1] * 8
    assert bench.commits == 2  # the first, and all eight
    assert bench.kept() == list(range(8))


def test_an_error_rolls_back_its_own_work_alone(bench):
    def fail(connection):
        bench.put(99)(connection)
        raise RequestError("no")

    answers = bench.together(bench.put(1), fail, bench.put(2))
    assert (answers[0], str(answers[1]), answers[2]) == (1, "no", 1)
    assert bench.kept() == [1, 2]


def test_a_broken_transaction_is_repeated_for_each_alone(bench):
    def broken(connection):
        bench.put(99)(connection)
        raise exc.OperationalError("INSERT", {}, Exception("disk full"))

    answers = bench.together(bench.put(1), broken, bench.put(2))
    assert (answers[0], type(answers[1]), answers[2]) == (1, exc.OperationalError, 1)
    assert bench.kept() == [1, 2]


def test_work_is_not_repeated_after_a_commit_that_may_have_happened(bench):
    runs = []

    def work(connection):
        runs.append(1)
        bench.fail_commit = True

    answers = bench.together(work, work)
    assert [type(answer) for answer in answers] == [exc.OperationalError] * 2
    assert len(runs) == 2


def test_where_no_transaction_can_begin_everybody_hears_it_at_once(bench):
    runs = []
    bench.fail_begin = True
    with pytest.raises(exc.OperationalError):
        bench.writer.run(lambda connection: runs.append(1))
    assert runs == []
    bench.fail_begin = False
    assert bench.writer.run(bench.put(1)) == 1


def test_an_unexpected_error_reaches_its_caller_and_the_writer_goes_on(bench):
    def bug(connection):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bench.writer.run(bug)
    assert bench.writer.run(bench.put(1)) == 1
