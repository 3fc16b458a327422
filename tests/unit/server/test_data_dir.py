"""A data directory that cannot be used is refused before anything is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grms.config import Settings
from grms.errors import ConfigError
from grms.server.wiring import make_data_dir


def test_a_missing_one_is_made_and_closed_to_others(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b"
    make_data_dir(Settings(data_dir=place))
    assert place.stat().st_mode & 0o777 == 0o700


def test_one_that_cannot_be_made_is_named_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file/b.*--data-dir"):
        make_data_dir(Settings(data_dir=tmp_path / "file" / "b"))


def test_one_that_this_account_may_not_write_is_named_with_the_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(ConfigError, match=f"uid {os.geteuid()}"):
        make_data_dir(Settings(data_dir=tmp_path))
