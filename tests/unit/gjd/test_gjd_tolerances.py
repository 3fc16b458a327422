"""Deviations of clients that are in use change nothing."""

from __future__ import annotations

import codecs

import pytest
from gjd_documents import job, only_mistake

from grms.gjd.parse import parse

PLAIN = parse(job())
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


@pytest.mark.parametrize(
    "root",
    [
        f'{XSI} appid="test" xsi:type="grmsjob"',
        f'{XSI} appid="test" xsi:noNamespaceSchemaLocation="http://127.0.0.1:9/x.xsd"',
        f'{XSI} appid="test" xsi:schemaLocation="urn:x http://127.0.0.1:9/x.xsd"',
    ],
)
def test_schema_attributes_of_the_root_are_ignored(root):
    assert parse(job(root=root)) == PLAIN


def test_the_root_may_be_spelled_with_a_capital():
    assert parse(job().replace("grmsjob", "grmsJob")) == PLAIN


def test_arguments_may_be_empty():
    assert parse(job("<arguments/>")) == PLAIN


@pytest.mark.parametrize(
    "before",
    [
        "\ufeff",
        "\n  ",
        '<?xml version="1.0"?>',
        '  \n<?xml version="1.0" encoding="ISO-8859-2"?>\n',
    ],
)
def test_what_stands_before_the_root_of_a_text_changes_nothing(before):
    assert parse(before + job()) == PLAIN


def test_lines_are_counted_from_the_declaration():
    text = '\n<?xml version="1.0"\n encoding="UTF-16"?>\n' + job("<stdut/>")
    assert only_mistake(text).line == 4


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", None),
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("utf-8", "UTF-16"),
        ("utf-8", "US-ASCII"),
        ("utf-8", "no-such-encoding"),
        ("utf-8", "punycode"),
        ("iso8859-2", "ISO-8859-2"),
        ("cp1250", "windows-1250"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
        ("utf-16", "UTF-8"),
    ],
)
def test_bytes_are_read_as_marked_as_declared_or_as_utf8(encoding, declared):
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    text = declaration + job("<arguments><value>zażółć</value></arguments>")
    assert parse(text.encode(encoding)).executable.values == ("zażółć",)


def test_bytes_of_no_encoding_are_refused_with_their_line():
    mistake = only_mistake(b"\n\n" + job(root='appid="?"').encode().replace(b"?", b"\xff"))
    assert mistake.line == 3
    assert "is not UTF-8" in mistake.what
    assert "save the document as UTF-8" in mistake.cure


def test_a_truncated_utf16_text_is_refused():
    data = codecs.BOM_UTF16_LE + job().encode("utf-16-le")[:-1]
    assert "is not UTF-16" in only_mistake(data).what


@pytest.mark.parametrize("slashes", ["/", "///", "////", "/////"])
def test_file_urls_have_any_number_of_slashes_but_two(slashes):
    text = job().replace("file:////", f"file:{slashes}")
    assert parse(text).executable.file.url == f"file:{slashes}bin/date"


def test_a_variable_in_a_url_is_kept():
    url = "file:///${HOME}/bin/run"
    assert parse(job(f"<stdin><url>{url}</url></stdin>")).executable.stdin == url


def test_comments_and_cdata_are_part_of_no_value():
    inside = "<arguments><!-- x --><value>a<!-- y -->b<![CDATA[<c>]]></value></arguments>"
    assert parse(job(inside) + "<!-- z -->").executable.values == ("ab<c>",)


def test_blanks_around_words_numbers_and_urls_are_dropped_but_values_keep_theirs():
    description = parse(
        job(
            "<arguments><value> a </value></arguments><stdin><url>\n file:///x \n</url></stdin>",
            attributes='type=" single " count=" 2 " checkpointable=" 1 "',
            before="<resource><hostname> h </hostname><memory> 1 </memory>"
            "<localrmname>\npbs\n</localrmname><queue> </queue></resource>",
        )
    )
    (resource,) = description.resources
    assert (resource.hostname, resource.memory, resource.localrmname) == ("h", 1, "pbs")
    assert resource.queue is None
    assert description.executable.values == (" a ",)
    assert description.executable.stdin == "file:///x"
    assert description.executable.count == 2
    assert description.executable.checkpointable


def test_a_name_is_tidied():
    text = job(
        '<arguments><directory name="./a//b/" type="in"><url>file:/x</url></directory></arguments>'
    )
    assert parse(text).executable.files[0].name == "a/b"
