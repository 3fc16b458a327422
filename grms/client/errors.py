"""What can go wrong on the client's side of the wire."""

from __future__ import annotations

from grms.errors import ErrorCode, Fault, GrmsError


class RefusedError(GrmsError):
    """The broker answered with an error. ``number`` is its code as sent.

    ``code`` is the same as an ErrorCode, INTERNAL where the number is not one of ours.
    Transient only for STORE_UNAVAILABLE: the broker says so before it changes anything.
    """

    def __init__(self, number: int, message: str) -> None:
        try:
            code = ErrorCode(number)
        except ValueError:
            code = ErrorCode.INTERNAL
        super().__init__(message or f"the broker answered with error {number} and no reason")
        self.number = number
        self.code = code
        self.transient = code is ErrorCode.STORE_UNAVAILABLE


class UnreachableError(GrmsError):
    """No answer. ``sent`` is False when the request surely never reached the broker.

    ``wait`` is the pause in seconds that the server asked for, 0 for none.
    """

    fault = Fault.SITE
    transient = True

    def __init__(self, message: str, *, sent: bool, wait: float = 0.0) -> None:
        super().__init__(message)
        self.sent = sent
        self.wait = wait


class BadAnswerError(GrmsError):
    """Something answered, but not a GRMS service: the message says what and from where."""

    code = ErrorCode.BAD_ANSWER
    fault = Fault.SITE
