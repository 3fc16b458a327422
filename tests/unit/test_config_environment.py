"""Settings reach another process through its environment, and mean something."""

from __future__ import annotations

from pathlib import Path

import pytest

from grms.config import Settings, environment, load
from grms.errors import ConfigError


def test_settings_are_the_same_after_a_way_through_the_environment() -> None:
    settings = Settings(
        data_dir=Path("/srv/grms"), file_roots=(Path("/a"), Path("/b")), port=0, lease=1.5
    )
    assert load(environ=environment(settings)) == settings


def test_the_defaults_survive_too() -> None:
    assert load(environ=environment(Settings())) == Settings()


@pytest.mark.parametrize(
    "wrong",
    [
        {"job_address": "grid.example.org:8080"},
        {"job_address": "ftp://grid.example.org"},
        {"job_address": "https://grid.example.org/?a"},
        {"checkpoint_overdue": "never"},
        {"migrate_policy": "always"},
    ],
    ids=str,
)
def test_what_a_setting_cannot_mean_is_refused_by_name(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=f"^{next(iter(wrong))} = .*expected"):
        load(environ={}, **wrong)


@pytest.mark.parametrize("address", ["", "http://grid:8080", "https://grid.example.org/grms/"])
def test_an_address_for_jobs_may_have_a_port_and_a_path(address: str) -> None:
    assert load(environ={}, job_address=address).job_address == address
