"""Small decisions: operands of add_listener, encodings of files, exit codes, forms of output."""

from __future__ import annotations

import json

import click
import pytest

from grms.client import documents, exits, output
from grms.client.commands.listeners import Registration, registration
from grms.client.errors import BadAnswerError, RefusedError, UnreachableError
from grms.client.model import FileDir, Listener
from grms.errors import ConfigError, ErrorCode, GrmsError, RequestError

SOAP = Listener("STATUS", "SOAP", "http://p")
MAIL = Listener("STATUS", "MAIL", "http://p", users=("ann",))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("j http://p", Registration("j", SOAP)),
        ("j STATUS http://p", Registration("j", SOAP)),
        ("j SOAP http://p", Registration("j", SOAP)),
        ("j STATUS SOAP http://p", Registration("j", SOAP)),
        ("portal j STATUS SOAP http://p", Registration("j", SOAP, "portal")),
        ("portal j http://p", Registration("j", SOAP, "portal")),
        ("portal j STATUS MAIL http://p ann", Registration("j", MAIL, "portal")),
        ("j MAIL http://p ann", Registration("j", MAIL)),
        ("j SMS ann bob", Registration("j", Listener("STATUS", "SMS", "", users=("ann", "bob")))),
        ("j REQUEST GASS u", Registration("j", Listener("REQUEST", "GASS", "u"))),
    ],
)
def test_the_operands_of_add_listener_are_sorted(words: str, expected: Registration) -> None:
    assert registration(words.split()) == expected


@pytest.mark.parametrize(
    "words", ["j", "STATUS http://p", "a b c STATUS http://p", "j SOAP", "j SOAP u v", "j MAIL"]
)
def test_operands_that_make_no_listener_are_a_usage_error(words: str) -> None:
    with pytest.raises(click.UsageError):
        registration(words.split())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_description_is_read_by_its_byte_order_mark(encoding: str) -> None:
    assert documents.decode("<a>ü</a>".encode(encoding), "f") == "<a>ü</a>"


def test_a_description_is_read_in_the_encoding_it_declares() -> None:
    text = '<?xml version="1.0" encoding="ISO-8859-2"?><a>ż</a>'
    assert documents.decode(text.encode("iso-8859-2"), "f") == text


@pytest.mark.parametrize(
    "content", [b"<a>\xff</a>", b'<?xml version="1.0" encoding="klingon"?><a/>']
)
def test_a_description_in_another_encoding_is_refused(content: bytes) -> None:
    with pytest.raises(RequestError, match=r"f is not .* save it as UTF-8"):
        documents.decode(content, "f")


@pytest.mark.parametrize("code", [code for code in ErrorCode if code])
def test_each_code_of_the_broker_has_an_exit_code(code: ErrorCode) -> None:
    assert exits.for_error(RefusedError(code, "x")) not in (exits.Exit.OK, exits.Exit.USAGE)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RefusedError(1, "x"), 1),
        (ConfigError("x"), 2),
        (RequestError("x", code=ErrorCode.BAD_DESCRIPTION), 3),
        (RefusedError(22, "x"), 4),
        (RefusedError(30, "x"), 5),
        (RefusedError(40, "x"), 6),
        (RefusedError(50, "x"), 7),
        (RefusedError(60, "x"), 8),
        (RefusedError(90, "x"), 10),
        (RefusedError(4711, "x"), 10),
        (UnreachableError("x", sent=False), 11),
        (BadAnswerError("x"), 11),
        (exits.WaitedTooLongError("x"), 12),
    ],
)
def test_errors_have_their_exit_codes(error: GrmsError, code: int) -> None:
    assert exits.for_error(error) == code


def test_a_refusal_without_a_text_still_says_something() -> None:
    assert str(RefusedError(7, "")) == "the broker answered with error 7 and no reason"


def test_names_in_json_are_those_of_the_contract() -> None:
    told = output.to_json({"items": (FileDir("n", "p"),)})
    item = {"name": "n", "path": "p", "logical": False, "directory": False}
    assert json.loads(told) == {"items": [item]}


def test_terminals_are_spared_foreign_control_characters() -> None:
    assert output.clean("a\x1b[2Jb\x9bc\r\nd\te") == "a?[2Jb?c\nd\te"


@pytest.mark.parametrize(
    ("job_id", "name"),
    [("1305550554579_calendar_example_5366", "calendar_example"), ("https://x/1", ""), ("7", "")],
)
def test_the_application_is_read_from_ids_of_the_usual_form(job_id: str, name: str) -> None:
    assert output.application(job_id) == name
