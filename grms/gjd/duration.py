"""The part of ``xs:duration`` that is a fixed time: days, hours, minutes and seconds."""

from __future__ import annotations

import re
from datetime import timedelta

_DURATION = re.compile(
    r"P(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)(?:\.(?P<part>\d+))?S)?)?"
)


def read_duration(text: str) -> timedelta:
    """The time that ``text`` states, to the microsecond.

    Raises ValueError, its text fit for a user, if it is negative, zero, counts years or months
    (whose length is not fixed), or is longer than about 2.7 million years.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a positive duration such as PT90M")
    if int(match["years"] or 0) or int(match["months"] or 0):
        raise ValueError(f"{text!r} counts years or months, whose length is not fixed")
    try:
        length = timedelta(
            days=int(match["days"] or 0),
            hours=int(match["hours"] or 0),
            minutes=int(match["minutes"] or 0),
            seconds=int(match["seconds"] or 0),
            microseconds=int((match["part"] or "").ljust(6, "0")[:6]),
        )
    except (OverflowError, ValueError):
        raise ValueError("it is too long") from None
    if not length:
        raise ValueError(f"{text!r} is no time at all")
    return length


def write_duration(length: timedelta) -> str:
    """``length``, which must be positive, as ``xs:duration``: ``P1DT1H30M0.5S``."""
    minutes, seconds = divmod(length.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    part = f".{length.microseconds:06d}".rstrip("0") if length.microseconds else ""
    clock = "".join(
        f"{number}{unit}"
        for number, unit in ((hours, "H"), (minutes, "M"), (f"{seconds}{part}", "S"))
        if number not in (0, "0")
    )
    return "P" + (f"{length.days}D" if length.days else "") + (f"T{clock}" if clock else "")
