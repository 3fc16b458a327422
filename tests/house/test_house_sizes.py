"""Files and functions stay small enough to be read at one go."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

LONGEST_FILE = 400
LONGEST_FUNCTION = 50


def _lines(path: Path) -> int:
    return path.read_text("utf-8").count("\n")


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_file_of_the_package_is_longer_than_400_lines(sources: list[Path], root: Path) -> None:
    long = {str(f.relative_to(root)): n for f in sources if (n := _lines(f)) > LONGEST_FILE}
    assert long == {}


def test_no_function_of_the_package_is_longer_than_50_lines(
    sources: list[Path], root: Path
) -> None:
    """Migrations are exempt: they write tables down, one column a line, and never change."""
    long = {
        f"{path.relative_to(root)}:{name}": length
        for path in sources
        if "versions" not in path.parts
        for name, length in _functions(path)
        if length > LONGEST_FUNCTION
    }
    assert long == {}


def test_the_usual_file_and_function_are_far_below_the_limits(sources: list[Path]) -> None:
    """Medians: 120 lines a file is the aim, 10 a function."""
    assert median(_lines(path) for path in sources) <= 140
    assert median(length for path in sources for _, length in _functions(path)) <= 10
