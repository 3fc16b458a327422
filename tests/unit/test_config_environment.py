"""Settings reach another process through its environment."""

from __future__ import annotations

from pathlib import Path

from grms.config import Settings, environment, load


def test_settings_are_the_same_after_a_way_through_the_environment() -> None:
    settings = Settings(
        data_dir=Path("/srv/grms"), file_roots=(Path("/a"), Path("/b")), port=0, lease=1.5
    )
    assert load(environ=environment(settings)) == settings


def test_the_defaults_survive_too() -> None:
    assert load(environ=environment(Settings())) == Settings()
