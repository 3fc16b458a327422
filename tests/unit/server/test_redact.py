"""What leaves the house holds no secrets, and still tells the story."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from grms.broker.lifecycle import JobState
from grms.config import Settings
from grms.server.redact import HIDDEN, redact_text, redacted


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql://grms:hunter2@db/grms", "hunter2"),
        ("cannot reach sftp://alice:pa55@host:22/x now", "pa55"),
        ("https://host/f?token=abc123&part=7", "abc123"),
        ("https://s3/f?X-Amz-Signature=deadbeef&X-Amz-Date=1", "deadbeef"),
        ("X-Amz-Security-Token=zzz", "zzz"),
        ("DB_PASSWORD='two words'", "two words"),
        ("Authorization: Bearer abcdefgh12345", "abcdefgh12345"),
        ("Authorization: Basic YWxpY2U6cHc=", "YWxpY2U6cHc="),
        ('<variable name="API_KEY">k3y</variable>', "k3y"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "MIIE"),
    ],
)
def test_a_secret_in_a_text_is_replaced(text: str, secret: str) -> None:
    found = redact_text(text)
    assert secret not in found
    assert HIDDEN in found


@pytest.mark.parametrize(
    "text",
    [
        "file:////data/in.txt",
        "https://host:8443/path?part=7",
        "killed by signal 9 = SIGKILL",
        '<variable name="PATH">/usr/bin</variable>',
        "ssh://alice@host:2222",
    ],
)
def test_what_is_no_secret_is_kept(text: str) -> None:
    assert redact_text(text) == text


@dataclass(frozen=True)
class _Record:
    name: str
    state: JobState
    at: datetime
    token: str
    signal: int
    inner: dict[str, str]


def test_a_record_becomes_json_values_and_secret_fields_are_replaced() -> None:
    at = datetime(2026, 11, 27, tzinfo=UTC)
    record = _Record("a", JobState.RUNNING, at, "t", 9, {"API_KEY": "k", "HOME": "/h"})
    assert redacted(record) == {
        "name": "a",
        "state": "RUNNING",
        "at": "2026-11-27T00:00:00+00:00",
        "token": HIDDEN,
        "signal": 9,
        "inner": {"API_KEY": HIDDEN, "HOME": "/h"},
    }


def test_the_settings_lose_the_password_of_the_database_only() -> None:
    settings = Settings(database="postgresql://grms:hunter2@db/grms", data_dir=Path("/d"))
    found = redacted(settings)
    assert isinstance(found, dict)
    assert found["database"] == f"postgresql://grms:{HIDDEN}@db/grms"
    assert (found["data_dir"], found["port"]) == ("/d", 8080)
