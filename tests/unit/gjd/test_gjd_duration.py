"""Durations that are fixed times."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grms.gjd.duration import read_duration, write_duration


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("PT90M", timedelta(minutes=90)),
        ("P1DT2H3M4.5S", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        ("P0Y0M2D", timedelta(days=2)),
        ("PT0.0000019S", timedelta(microseconds=1)),
    ],
)
def test_reading(text, length):
    assert read_duration(text) == length


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("-PT5M", "not a positive duration"),
        ("soon", "not a positive duration"),
        ("P1M", "years or months"),
        ("P1Y", "years or months"),
        ("PT0S", "no time at all"),
        ("P9999999999D", "too long"),
        ("P" + "9" * 5000 + "D", "too long"),
    ],
)
def test_refusals(text, reason):
    with pytest.raises(ValueError, match=reason):
        read_duration(text)


@given(st.timedeltas(timedelta(microseconds=1)))
def test_what_is_written_is_read_back(length):
    assert read_duration(write_duration(length)) == length
