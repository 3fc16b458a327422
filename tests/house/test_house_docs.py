"""The documents hang together, and know all that the program offers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grms.broker.lifecycle import TRANSITIONS, JobState

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def _links(page: Path) -> list[str]:
    text = _FENCE.sub("", page.read_text("utf-8"))
    return [link for link in _LINK.findall(text) if not re.match(r"[a-z]+:", link)]


def _anchors(page: Path) -> set[str]:
    """The anchors that forges make of headings."""
    text = _FENCE.sub("", page.read_text("utf-8"))
    heads = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_link_inside_the_project_leads_somewhere(pages: list[Path], root: Path) -> None:
    dead = []
    for page in pages:
        for link in _links(page):
            name, _, anchor = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            missing = not target.exists() or not target.is_relative_to(root)
            if missing or (anchor and target.suffix == ".md" and anchor not in _anchors(target)):
                dead.append(f"{page.relative_to(root)}: {link}")
    assert dead == []


def test_every_document_is_in_the_index(pages: list[Path], root: Path) -> None:
    """A page that nothing leads to is not read; the decisions have an index of their own."""
    docs = root / "docs"
    index = {(docs / link.partition("#")[0]).resolve() for link in _links(docs / "README.md")}
    wanted = {
        page
        for page in pages
        if page.is_relative_to(docs) and page.parent.name not in ("adr",) and page.parent != docs
    }
    assert sorted(str(page.relative_to(root)) for page in wanted - index) == []


def test_every_decision_is_in_their_index(pages: list[Path], root: Path) -> None:
    place = root / "docs/adr"
    index = {(place / link).resolve() for link in _links(place / "README.md")}
    decisions = {page for page in pages if page.parent == place and page.name != "README.md"}
    assert sorted(page.name for page in decisions - index) == []


def test_every_decision_tells_context_decision_consequences_and_rejected_ideas(
    root: Path,
) -> None:
    wanted = ["Context", "Decision", "Consequences", "Rejected"]
    for page in sorted((root / "docs/adr").glob("0*.md")):
        heads = re.findall(r"^## (.+)$", page.read_text("utf-8"), re.MULTILINE)
        assert heads == wanted, page.name


@pytest.fixture(scope="module")
def states(root: Path) -> str:
    return (root / "docs/reference/states.md").read_text("utf-8")


def test_every_state_has_a_row_in_the_reference(states: str) -> None:
    section = states.split("## Transitions")[0]
    assert re.findall(r"^\| `([A-Z]+)` \|", section, re.M) == [state.value for state in JobState]


def test_the_documented_transitions_are_those_of_the_program(states: str) -> None:
    section = states.split("## Transitions")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| `(\w+)` \|", section, re.M)
    real = [
        (start.value, trigger.value, end.value) for (start, trigger), end in TRANSITIONS.items()
    ]
    assert len(rows) == len(set(rows))
    assert sorted(rows) == sorted(real)


def test_every_transition_of_the_table_is_explained(states: str) -> None:
    section = states.split("## Transitions")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `\w+` \| `\w+` \| `\w+` \|(.*)\|$", section, re.M)
    assert rows
    assert all(len(text.strip()) > 3 for text in rows)
