"""The client's SOAP codec: what it sends, and what it takes or refuses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from grms.client import soap
from grms.client.errors import BadAnswerError, RefusedError
from grms.errors import RequestError

HEAD = (
    '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:n="urn:grms" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><e:Body>'
)


def answer(inner: str, after: str = "") -> soap.Part:
    """The response of operation ``x`` with these parts, and what stands beside it in the body."""
    text = f"{HEAD}<n:xResponse>{inner}</n:xResponse>{after}</e:Body></e:Envelope>"
    return soap.decode("x", text.encode())


def test_a_call_is_rpc_encoded_with_unqualified_typed_parts() -> None:
    parts = [("jobId", soap.string("a<b")), ("pid", soap.number(7)), ("x", soap.string(None))]
    text = soap.encode("submitJob", parts).decode()
    assert "<ns1:submitJob soapenv:encodingStyle=" in text
    assert '<jobId xsi:type="xsd:string">a&lt;b</jobId>' in text
    assert '<pid xsi:type="xsd:int">7</pid>' in text
    assert '<x xsi:type="xsd:string" xsi:nil="true"/>' in text


def test_beans_and_arrays_are_typed() -> None:
    bean = soap.Struct("ns1:FileDir", (("append", soap.boolean(True)),))
    text = soap.encode("x", [("items", soap.Array("ns1:FileDir", (bean, bean)))]).decode()
    assert '<items xsi:type="soapenc:Array" soapenc:arrayType="ns1:FileDir[2]">' in text
    assert text.count('<item xsi:type="ns1:FileDir"><append xsi:type="xsd:boolean">true') == 2


@pytest.mark.parametrize("text", ["\x00", "\x1b[2J", "\ufffe"])
def test_characters_outside_xml_are_named(text: str) -> None:
    with pytest.raises(RequestError, match="jobId"):
        soap.encode("x", [("jobId", soap.string(text))])


def test_references_are_followed_through_several_hops() -> None:
    part = answer('<a href="#1"/>', '<m id="1" href="#2"/><m id="2">seven</m>')
    assert part.string("a") == "seven"


def test_references_in_a_circle_are_refused() -> None:
    with pytest.raises(BadAnswerError, match="circle"):
        answer('<a href="#1"/>', '<m id="1" href="#2"/><m id="2" href="#1"/>').get("a")


def test_a_reference_to_nothing_is_refused() -> None:
    with pytest.raises(BadAnswerError, match="#9"):
        answer('<a href="#9"/>').get("a")


@pytest.mark.parametrize("inner", ["", '<a xsi:nil="true"/>', '<a xsi:nil="1"/>'])
def test_missing_and_nil_are_the_same(inner: str) -> None:
    part = answer(inner)
    assert part.get("a") is None
    assert (part.string("a"), part.number("a"), part.time("a")) == ("", 0, None)


def test_comments_do_not_cut_a_text() -> None:
    assert answer("<a>one<!-- x -->two</a>").string("a") == "onetwo"


def test_qualified_parts_are_taken_too() -> None:
    assert answer("<n:a>1</n:a>").number("a") == 1


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-27T10:00:00Z",
        "2026-11-27T10:00:00.000Z",
        "2026-11-27T12:00:00+02:00",
        "2026-11-27T10:00:00",
    ],
)
def test_times_become_aware(text: str) -> None:
    moment = answer(f"<a>{text}</a>").time("a")
    assert moment == datetime(2026, 11, 27, 10, tzinfo=UTC)


def test_a_number_or_time_that_is_none_is_refused() -> None:
    part = answer("<a>seven</a>")
    with pytest.raises(BadAnswerError, match="'seven'"):
        part.number("a")
    with pytest.raises(BadAnswerError, match="not a time"):
        part.time("a")


def test_entities_are_not_expanded() -> None:
    text = HEAD.replace("<e:Env", '<!DOCTYPE x [<!ENTITY b "boo">]><e:Env', 1)
    text += "<n:xResponse><a>&b;</a></n:xResponse></e:Body></e:Envelope>"
    assert "boo" not in soap.decode("x", text.encode()).string("a")


@pytest.mark.parametrize(
    "text", ["", "<html>", "<html/>", "not xml", f"{HEAD}</e:Body></e:Envelope>"]
)
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(BadAnswerError):
        soap.decode("x", text.encode())


def test_a_fault_is_a_refusal() -> None:
    text = f"{HEAD}<e:Fault><faultcode>e:Server</faultcode><faultstring>no</faultstring></e:Fault>"
    with pytest.raises(RefusedError, match="no"):
        soap.decode("x", f"{text}</e:Body></e:Envelope>".encode())
