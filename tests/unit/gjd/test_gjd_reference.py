"""The reference explains every word of the language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import etree

from grms.gjd.gate import schema_bytes
from grms.gjd.parse import parse

XS = "{http://www.w3.org/2001/XMLSchema}"
REFERENCE = Path(__file__).parents[3] / "docs/reference/gjd.md"
SCHEMA = etree.fromstring(schema_bytes())


def words(kind: str) -> list[str]:
    """The names that the grammar gives to ``element``s, ``attribute``s."""
    return sorted({node.get("name") for node in SCHEMA.iter(XS + kind)})


@pytest.fixture(scope="module")
def explained() -> set[str]:
    """What stands in a heading, or in the first column of a table."""
    lines = REFERENCE.read_text("utf-8").splitlines()
    places = [line for line in lines if line.startswith("#")]
    places += [line.split("|")[1] for line in lines if line.startswith("|")]
    return {word for place in places for word in re.findall(r"`([^`]+)`", place)}


@pytest.mark.parametrize("word", sorted({*words("element"), *words("attribute")}))
def test_every_element_and_attribute_has_a_heading_or_a_row(word, explained):
    assert word in explained


def test_every_word_of_a_list_is_named():
    listed = {node.get("value") for node in SCHEMA.iter(f"{XS}enumeration")}
    between = {"Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}  # "Monday to Sunday"
    text = REFERENCE.read_text("utf-8")
    assert [word for word in listed - between if not re.search(f'[`"]{word}[`"]', text)] == []


def test_the_example_of_the_reference_is_valid():
    (example,) = re.findall(r"```xml\n(.*?)```", REFERENCE.read_text("utf-8"), re.DOTALL)
    assert parse(example).appid == "cat-file"
