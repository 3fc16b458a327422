"""The tests keep rules too."""

from __future__ import annotations

import ast
from pathlib import Path


def _trees(tests: list[Path]) -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text("utf-8"))) for path in tests]


def test_the_message_of_an_assert_is_a_text(tests: list[Path], root: Path) -> None:
    """``assert x, y`` with a number, list or comparison for y is ``assert x == y`` gone wrong."""
    wrong = [
        f"{path.relative_to(root)}:{node.lineno}"
        for path, tree in _trees(tests)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert) and node.msg is not None and not _may_be_text(node.msg)
    ]
    assert wrong == []


def _may_be_text(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    return not isinstance(
        node, ast.Compare | ast.BoolOp | ast.List | ast.Tuple | ast.Dict | ast.Set | ast.UnaryOp
    )


def test_no_assert_compares_a_tuple(tests: list[Path], root: Path) -> None:
    """``assert (x, "text")`` can never fail."""
    wrong = [
        f"{path.relative_to(root)}:{node.lineno}"
        for path, tree in _trees(tests)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Tuple | ast.Constant)
    ]
    assert wrong == []


def test_every_file_of_tests_has_a_name_of_its_own(tests: list[Path]) -> None:
    """Without packages, two modules of one name would shadow each other."""
    names = [path.name for path in tests if path.name.startswith("test_")]
    assert sorted({name for name in names if names.count(name) > 1}) == []
