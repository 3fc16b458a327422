"""Group commit: callers that write at the same time share one transaction and one fsync.

There is no writer thread. The first caller leads: it takes everything that waits, runs each piece
under a savepoint, commits once, and hands the lead to the first caller that came meanwhile. A
caller returns only after the commit that holds its piece.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, exc

from grms.errors import GrmsError

T = TypeVar("T")

#: At most so many pieces in one transaction: a bound on how long a reader of the result waits.
LARGEST_GROUP = 64

#: Errors that concern one piece alone: the transaction around it is intact.
_OWN_FAULTS = (GrmsError, exc.IntegrityError, exc.DataError, exc.StatementError, ValueError)
#: Of these, the ones after which the transaction may be gone (disk full, lost connection ...).
_SHARED_FAULTS = (exc.OperationalError, exc.InterfaceError, exc.InternalError)


class _Piece:
    """One caller's work, and what became of it."""

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.wake = threading.Event()
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None

    def finish(self, value: Any = None, error: BaseException | None = None) -> None:
        self.value, self.error, self.done = value, error, True


class GroupCommit:
    """Runs pieces of work in shared transactions that ``begin`` opens (and commits at exit)."""

    def __init__(self, begin: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._begin = begin
        self._mutex = threading.Lock()
        self._waiting: list[_Piece] = []
        self._led = False

    def run(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a transaction and return its result once that is committed.

        ``work`` may be run again after a failure of the transaction, so it must have no effect
        besides its statements. Its errors are its own: they roll back nothing of others.
        """
        piece = _Piece(work)
        with self._mutex:
            self._waiting.append(piece)
            leads, self._led = not self._led, True
        if not leads:
            piece.wake.wait()
        if not piece.done:
            self._lead()
        if piece.error is not None:
            raise piece.error
        return cast(T, piece.value)

    def _lead(self) -> None:
        with self._mutex:
            group = self._waiting[:LARGEST_GROUP]
            del self._waiting[:LARGEST_GROUP]
        try:
            self._carry_out(group)
        except BaseException as error:  # an interrupt must not leave the others waiting
            for piece in group:
                if not piece.done:
                    piece.finish(error=error)
            raise
        finally:
            with self._mutex:
                self._led = bool(self._waiting)
                if self._waiting:
                    self._waiting[0].wake.set()
            for piece in group:
                piece.wake.set()

    def _carry_out(self, group: list[_Piece]) -> None:
        if not self._attempt(group):
            for piece in group:  # one of them broke the transaction: each for itself
                self._attempt([piece])

    def _attempt(self, group: list[_Piece]) -> bool:
        """Run a group in one transaction. False: nothing was kept, and each shall go alone."""
        results: list[tuple[Any, BaseException | None]] = []
        working = False
        try:
            with self._begin() as connection:
                working = True
                for piece in group:
                    results.append(_guarded(connection, piece.work))
                working = False
        except Exception as error:
            # Where the beginning failed, nobody alone would fare better. A failed commit may have
            # happened all the same (the connection was lost): its work must not be done again.
            if working and len(group) > 1:
                return False
            for piece in group:
                piece.finish(error=error)
            return True
        for piece, (value, fault) in zip(group, results, strict=True):
            piece.finish(value, fault)
        return True


def _guarded(
    connection: Connection, work: Callable[[Connection], Any]
) -> tuple[Any, BaseException | None]:
    """The result of ``work`` under a savepoint, or the error that concerns it alone."""
    savepoint = connection.begin_nested()
    try:
        value = work(connection)
    except _SHARED_FAULTS:
        raise  # the savepoint may be gone as well: the whole transaction is given up
    except _OWN_FAULTS as error:
        savepoint.rollback()
        return None, error
    savepoint.commit()
    return value, None
