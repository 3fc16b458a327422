"""Dangerous documents are refused before anything in them is resolved."""

from __future__ import annotations

import pytest
from gjd_documents import job, mistakes, refused

from grms.errors import ErrorCode
from grms.gjd.parse import parse

PLAIN = job()

DANGERS = {
    "a document type": "<!DOCTYPE grmsjob>" + PLAIN,
    "a document type after comments": "<!-- a --> <!-- <x> -->\n<!DOCTYPE grmsjob []>" + PLAIN,
    "a document type after the declaration": '<?xml version="1.0"?><!DOCTYPE grmsjob>' + PLAIN,
    "an external document type": '<!DOCTYPE grmsjob SYSTEM "http://127.0.0.1:9/x.dtd">' + PLAIN,
    "an entity": '<!DOCTYPE grmsjob [<!ENTITY a "b">]>'
    + job("<arguments><value>&a;</value></arguments>"),
    "a file by an entity": '<!DOCTYPE grmsjob [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    + job("<arguments><value>&a;</value></arguments>"),
    "an instruction before the root": '<?xml-stylesheet href="x"?>' + PLAIN,
    "an instruction after the root": PLAIN + '<?xml-stylesheet href="x"?>',
    "an instruction inside": job("<arguments><value>a<?php x?>b</value></arguments>"),
    "a schema of its own inside": job(
        '<arguments xmlns:q="http://www.w3.org/2001/XMLSchema-instance"'
        ' q:noNamespaceSchemaLocation="http://127.0.0.1:9/x.xsd"/>'
    ),
    "sixty-five levels": job("<a>" * 65 + "</a>" * 65),
    "five thousand levels": job("<a>" * 5000 + "</a>" * 5000),
    "a hundred thousand elements": job("<arguments>" + "<value/>" * 100_000 + "</arguments>"),
    "more than a megabyte": job(f"<arguments><value>{'x' * 1_000_000}</value></arguments>"),
}


@pytest.mark.parametrize("danger", DANGERS)
@pytest.mark.parametrize("encode", [str, str.encode], ids=["text", "bytes"])
def test_dangers(danger, encode):
    """Each is refused alone, with the code that says so."""
    refusal = refused(encode(DANGERS[danger]))
    assert len(refusal.mistakes) == 1
    assert refusal.code is ErrorCode.UNSAFE_DESCRIPTION


def test_a_billion_laughs_are_refused_by_the_first_line():
    entities = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9))
    text = f'\n<!DOCTYPE grmsjob [<!ENTITY l0 "ha">{entities}]>' + job(
        "<arguments><value>&l9;</value></arguments>"
    )
    (mistake,) = mistakes(text)
    assert mistake.line == 2
    assert "document type" in mistake.what


def test_a_document_type_in_another_encoding_is_seen_too():
    text = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE grmsjob>' + PLAIN
    assert refused(text.encode("utf-16")).code is ErrorCode.UNSAFE_DESCRIPTION


def test_what_only_looks_dangerous_is_plain_text():
    values = parse(
        "<!-- <!DOCTYPE x> <?pi?> -->"
        + job("<arguments><value><![CDATA[<!DOCTYPE x><?pi?> schemaLocation]]></value></arguments>")
    ).executable.values
    assert values == ("<!DOCTYPE x><?pi?> schemaLocation",)


def test_sixty_levels_are_wrong_but_not_dangerous():
    assert refused(job("<a>" * 60 + "</a>" * 60)).code is ErrorCode.BAD_DESCRIPTION
