"""The grammar is found wherever the package is."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from lxml import etree

from grms.gjd.gate import schema_bytes

XS = "{http://www.w3.org/2001/XMLSchema}"


def test_the_package_carries_the_grammar():
    assert resources.files("grms.gjd").joinpath("gjd.xsd").is_file()


def test_there_is_one_grammar_only():
    """What the package carries is what people read."""
    top = Path(__file__).parents[3]
    assert schema_bytes() == (top / "schemas/gjd.xsd").read_bytes()


def test_every_element_and_attribute_or_its_type_is_explained_in_the_grammar():
    root = etree.fromstring(schema_bytes())
    explained = {node.get("name") for node in root if node.find(f"{XS}annotation") is not None}
    silent = [
        node.get("name")
        for node in root.iter(f"{XS}element", f"{XS}attribute")
        if node.find(f"{XS}annotation") is None
        and node.get("type") not in explained
        and node.get("name") != "url"  # explained where it first occurs
    ]
    assert silent == []
