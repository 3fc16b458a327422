"""What counts as a proof, and which proof is the stronger."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grms.broker.evidence import Source, overrules, read_news, source
from grms.broker.records import Exit, Usage

EXITED = {
    "tag": "gtag", "what": "exited", "at": 1000.5, "host": "n1",
    "exit": {"code": 3, "signal": None, "reason": "", "limit": ""},
    "usage": {"wall": 2.5, "cpu": 1, "max_rss": 900},
}  # fmt: skip


def test_the_exit_file_tells_code_usage_host_and_time() -> None:
    news = read_news(json.dumps(EXITED).encode())
    assert news is not None
    assert (news.tag, news.what, news.host) == ("gtag", "exited", "n1")
    assert (news.exit, news.usage) == (Exit(code=3), Usage(2.5, 1.0, 900))
    assert news.at == datetime.fromtimestamp(1000.5, UTC)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"[]", b"null", b"7", b'{"tag": "g"}', b"\xff\xfe", b"[" * 100_000,
        b'{"tag":"g","what":"exited","at":"noon"}', b'{"tag":"g","what":"exited","at":1e400}',
        b'{"tag":"g","what":"exited","at":1,"exit":5}',
        json.dumps(EXITED).encode()[:-9],
    ],
)  # fmt: skip
def test_what_is_no_message_is_none_and_disturbs_nobody(raw: bytes) -> None:
    assert read_news(raw) is None


@given(st.binary(max_size=200))
def test_no_bytes_at_all_raise_an_error(raw: bytes) -> None:
    read_news(raw)


def test_the_wrapper_outweighs_accounting_which_outweighs_the_queue_and_absence() -> None:
    order = ["absence", "queue", "accounting", "wrapper"]
    for weak, name in enumerate(order):
        for strong, other in enumerate(order):
            assert overrules(Source[other.upper()], name) is (strong > weak)


def test_a_name_nobody_knows_is_the_weakest() -> None:
    assert source("hearsay") is source("") is source("fenced") is Source.ABSENCE
