"""Many small files are written together, each whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grms.jobside import trees


def test_each_file_gets_its_content_and_mode_and_nothing_else_is_left(tmp_path: Path) -> None:
    files = {os.fsencode(tmp_path / f"d{n}" / "deep" / "f"): b"%d" % n for n in range(20)}
    trees.write_all(files, 0o640)
    for path, content in files.items():
        assert Path(os.fsdecode(path)).read_bytes() == content
        assert Path(os.fsdecode(path)).stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["f"] * 20


def test_a_file_that_was_there_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    trees.write_all({os.fsencode(tmp_path / name): b"new" for name in ("a", "b")}, 0o600)
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == "new"


def test_where_one_cannot_be_written_none_is_and_the_error_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    bad = tmp_path / "file" / "b"
    with pytest.raises(OSError, match="file"):
        trees.write_all({os.fsencode(tmp_path / "a"): b"a", os.fsencode(bad): b"b"}, 0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
