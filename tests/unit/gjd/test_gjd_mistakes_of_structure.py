"""What the grammar forbids is named in plain words, and all of it at once."""

from __future__ import annotations

import pytest
from gjd_documents import arguments, job, mistakes, only_mistake, refused, resource

from grms.errors import ErrorCode

URL = "<url>file:///data/x</url>"
EXECUTABLE = "/grmsjob/simplejob/executable"

#: A document, the path of its mistake, what is said of it, and the cure.
CASES = {
    "a misspelt element": (
        resource("<hostnme>a</hostnme>"),
        "/grmsjob/simplejob/resource/hostnme",
        "there is no element <hostnme> in <resource>",
        "did you mean hostname?",
    ),
    "an element unlike any other": (
        job("<zzz/>"),
        f"{EXECUTABLE}/zzz",
        "there is no element <zzz> in <executable>",
        "known: application, arguments, checkpoint",
    ),
    "an element of a foreign namespace": (
        job('<x:stdout xmlns:x="urn:x"/>'),
        f"{EXECUTABLE}/x:stdout",
        "there is no element <{urn:x}stdout>",
        "did you mean stdout?",
    ),
    "a requirement given twice": (
        resource("<memory>1</memory><memory>2</memory>"),
        "/grmsjob/simplejob/resource/memory[2]",
        "<memory> is there twice",
        "keep one of them",
    ),
    "elements in the wrong order": (
        job(f"<stdout>{URL}</stdout><stdin>{URL}</stdin>"),
        f"{EXECUTABLE}/stdin",
        "<stdin> may not stand here",
        "the order is: application, file, arguments, stdin, stdout, stderr",
    ),
    "a second job": (
        job().replace("</grmsjob>", "<simplejob/></grmsjob>"),
        "/grmsjob/simplejob[2]",
        "<simplejob> is one too many",
        "keep one of them",
    ),
    "a missing element": (
        job("<environment/>"),
        f"{EXECUTABLE}/environment",
        "<environment> is not complete",
        "it needs <variable>",
    ),
    "a missing url": (
        job("<stdin/>"),
        f"{EXECUTABLE}/stdin",
        "<stdin> is not complete",
        "it needs <url>",
    ),
    "an unknown attribute": (
        job(root='appid="a" persistant="true"'),
        "/grmsjob/@persistant",
        "<grmsjob> has no attribute persistant",
        "did you mean persistent?",
    ),
    "a missing attribute": (
        job(attributes='count="1"'),
        f"{EXECUTABLE}/@type",
        "<executable> lacks its attribute type",
        "",
    ),
    "a word that is not of the list": (
        resource("<localrmname>slrm</localrmname>"),
        "/grmsjob/simplejob/resource/localrmname",
        "'slrm' is not one of fork, lsf, pbs",
        "did you mean slurm?",
    ),
    "an attribute that is not of the list": (
        job(attributes='type="Single"'),
        f"{EXECUTABLE}/@type",
        "'Single' is not one of single, multiple, mpi, mpichg",
        "did you mean single?",
    ),
    "a text in place of a number": (
        resource("<memory>much</memory>"),
        "/grmsjob/simplejob/resource/memory",
        "'much' is not a whole number",
        "",
    ),
    "a number with a fraction": (
        job(attributes='type="single" count="1.5"'),
        f"{EXECUTABLE}/@count",
        "'1.5' is not a whole number",
        "",
    ),
    "a number beyond its type": (
        job(attributes='type="single" count="99999999999"'),
        f"{EXECUTABLE}/@count",
        "99999999999 is out of range",
        "",
    ),
    "neither true nor false": (
        job(attributes='type="single" checkpointable="yes"'),
        f"{EXECUTABLE}/@checkpointable",
        "'yes' is not true or false",
        "",
    ),
    "no duration": (
        job(after="<executionTime><execDuration>90</execDuration></executionTime>"),
        "/grmsjob/simplejob/executionTime/execDuration",
        "'90' is not a duration such as PT90M",
        "",
    ),
    "elements inside a text": (
        job(arguments("<value><b/></value>")),
        f"{EXECUTABLE}/arguments/value",
        "<value> may hold text only",
        "take the elements out of it",
    ),
    "text between elements": (
        job(f"<stdin>x{URL}</stdin>"),
        f"{EXECUTABLE}/stdin",
        "text may not stand in <stdin>",
        "put it into <url>",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_structure(case):
    """Each fault has its path, its words and, where there is a near word, its cure."""
    text, path, what, cure = CASES[case]
    found = [mistake for mistake in mistakes(text) if what in mistake.what]
    assert [(mistake.path, cure in mistake.cure) for mistake in found] == [(path, True)]
    assert {mistake.code for mistake in found} == {ErrorCode.BAD_DESCRIPTION}


def test_all_mistakes_of_structure_and_meaning_come_at_once_in_document_order():
    text = """<?xml version="1.0"?>
<grmsjob appid="bad">
  <simplejob>
    <resource>
      <memry>1</memry>
      <hostnme>a</hostnme>
      <osname>a</osname>
      <osname>b</osname>
      <cpucount>-2</cpucount>
    </resource>
    <executable type="mpichg" count="0">
      <file name="../date" type="in"><url>/bin/date</url></file>
      <arguments>
        <vale>x</vale>
        <file name="a" type="inn"><url>file:///a</url></file>
      </arguments>
      <environment>
        <variable name="GRMS_X">1</variable>
      </environment>
    </executable>
  </simplejob>
</grmsjob>
"""
    found = [(mistake.line, mistake.path.rpartition("/")[2]) for mistake in mistakes(text)]
    assert found == [
        (5, "memry"),
        (6, "hostnme"),
        (8, "osname[2]"),
        (9, "cpucount"),
        (11, "@type"),
        (11, "@count"),
        (12, "url"),
        (12, "@name"),
        (14, "vale"),
        (15, "@type"),
        (18, "@name"),
    ]


def test_a_message_names_line_place_fault_and_cure():
    assert str(refused(job("<stdut/>"))) == (
        "the job description has 1 mistake:\n  line 1, /grmsjob/simplejob/executable/stdut: "
        "there is no element <stdut> in <executable> (did you mean stdout?)"
    )


def test_no_more_than_a_hundred_mistakes_of_structure_are_listed():
    assert len(mistakes(job(arguments(*["<vale/>"] * 500)))) == 100


def test_a_very_large_document_is_refused_in_the_words_of_the_validator():
    found = mistakes(job(arguments(*["<vale/>"] * 50_000)))
    assert found[0].path.endswith("/arguments/vale[1]")
    assert "This element is not expected" in found[0].what
    many = " ".join(f'a{i}="1"' for i in range(5000))
    assert len(mistakes(job(attributes=many))) == 100


@pytest.mark.parametrize("root", ["job", "GRMSJOB", "qcgJob"])
def test_another_root_is_refused(root):
    assert only_mistake(f"<{root}/>").what == f"the root is <{root}>, not <grmsjob>"


def test_a_namespace_is_refused_with_its_cure():
    mistake = only_mistake('<grmsjob xmlns="urn:grms" appid="a"/>')
    assert "take its namespace away" in mistake.cure


@pytest.mark.parametrize(
    ("text", "what", "cure"),
    [
        ("", "not well-formed XML", ""),
        ("date", "not well-formed XML", ""),
        ('<grmsjob appid="a">', "not well-formed XML", ""),
        ("<!-- never ends", "not well-formed XML", ""),
        (job(arguments("<value>a & b</value>")), "not well-formed XML", "&amp;"),
        (job(arguments("<value>&nbsp;</value>")), "not well-formed XML", "&amp;"),
        (job(arguments("<value>a\x00</value>")), "the character U+0000 is not allowed", "take"),
        (job(arguments("<value>a\x1b</value>")), "the character U+001B is not allowed", "take"),
        (job(arguments("<value>a\ud800</value>")), "the character U+D800 is not allowed", "take"),
        (job(arguments("<value>&#0;</value>")), "not well-formed XML", ""),
    ],
)
def test_what_is_no_xml(text, what, cure):
    """What cannot be read as XML is refused for that alone."""
    mistake = only_mistake(text)
    assert what in mistake.what
    assert cure in mistake.cure
