"""Words that must not stand anywhere in the tree: they would tie it to one machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

#: Pieces are joined here so that this file holds none of the words itself.
FORBIDDEN = {
    "a path of one machine": "/" + r"(work/(shared|main)|tmp/(wt|gv|brief|dtry))\b",
    "a neighbouring checkout": r"\.\./" + "shared",
    "a private package cache": "/opt/" + r"(pypi|wheels)",
    "somebody's own interpreter": "/root/" + r"\.pyenv",
    "a conflict that was not resolved": "^" + "<{7} |^" + ">{7} ",
}
#: Real answers of real systems are kept as they were heard.
CAPTURED = ("captured",)


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_tree_does_not_name(what: str, files: list[Path], root: Path) -> None:
    pattern = re.compile(FORBIDDEN[what], re.MULTILINE)
    found = [
        f"{path.relative_to(root)}: {hit.group()}"
        for path in files
        if not set(CAPTURED) & set(path.relative_to(root).parts)
        for hit in [pattern.search(path.read_bytes().decode("utf-8", "replace"))]
        if hit
    ]
    assert found == []
