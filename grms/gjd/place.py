"""Where in a document something is."""

from __future__ import annotations

from typing import Any

from lxml import etree

from grms.errors import ErrorCode, Mistake

#: How many mistakes of one kind are listed; whoever has more mends these first.
MAX_MISTAKES = 100
# A document may hold a megabyte where a word should stand; a message need not.
_LONGEST = 300


def line_of(element: etree._Element) -> int:
    """The 1-based line on which ``element`` begins, 0 if unknown."""
    line: Any = element.sourceline
    return int(line or 0)


def mistake_at(
    element: etree._Element,
    what: str,
    cure: str = "",
    *,
    attribute: str = "",
    code: ErrorCode = ErrorCode.BAD_DESCRIPTION,
) -> Mistake:
    """A mistake of ``element``, or of its ``attribute``, with its line and path."""
    path = element.getroottree().getpath(element) + (f"/@{attribute}" if attribute else "")
    return Mistake(line_of(element), shorten(path), shorten(what), shorten(cure), code)


def shorten(text: str) -> str:
    """``text`` at a length that fits into a message."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
