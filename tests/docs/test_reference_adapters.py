"""The reference of adapters has a section for each adapter, with all options of its code."""

import importlib
import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = (ROOT / "docs/reference/adapters.md").read_text("utf-8")
HOW_TO = (ROOT / "docs/how-to/add-a-cluster.md").read_text("utf-8")
ADAPTERS = sorted(entry.name for entry in entry_points(group="grms.adapters"))
#: Set by the broker, or common to all.
COMMON = {"wrapper", "python"}


def section(name: str) -> str:
    return REFERENCE.split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]


def options(name: str) -> set[str]:
    """The names that the adapter's code takes from a cluster's options."""
    place = Path(str(importlib.import_module(f"grms.adapters.{name}").__file__))
    files = place.parent.glob("*.py") if place.name == "__init__.py" else [place]
    text = "".join(file.read_text("utf-8") for file in files)
    return set(re.findall(r'options\.get\("(\w+)"', text)) - COMMON


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_adapter_has_a_section_that_says_what_it_uses(name):
    assert "Uses:" in section(name)
    assert "Quirks:" in section(name)


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_option_of_an_adapter_is_in_its_section(name):
    assert {word for word in options(name) if f"`{word}`" not in section(name)} == set()


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_adapter_has_a_worked_example(name):
    assert f'batch = "{name}"' in HOW_TO
