"""Builds small job descriptions for tests, and reads the mistakes of bad ones."""

from __future__ import annotations

import pytest

from grms.errors import DescriptionError, Mistake
from grms.gjd.parse import parse

DATE = '<file name="date" type="in"><url>file:////bin/date</url></file>'


def job(
    inside: str = "",
    *,
    program: str = DATE,
    attributes: str = 'type="single"',
    before: str = "",
    after: str = "",
    root: str = 'appid="test"',
) -> str:
    """A description around the parts a test is about."""
    return (
        f"<grmsjob {root}><simplejob>{before}"
        f"<executable {attributes}>{program}{inside}</executable>{after}</simplejob></grmsjob>"
    )


def argument(
    name: str = "x", direction: str = "in", url: str = "file:///data/x", tag: str = "file"
) -> str:
    """A ``file`` or, by ``tag``, a ``directory``."""
    return f'<{tag} name="{name}" type="{direction}"><url>{url}</url></{tag}>'


def arguments(*items: str) -> str:
    """The ``arguments`` element."""
    return f"<arguments>{''.join(items)}</arguments>"


def resource(inside: str) -> str:
    """A whole description that is about its requirements."""
    return job(before=f"<resource>{inside}</resource>")


def refused(text: str | bytes) -> DescriptionError:
    """The refusal of ``text``."""
    with pytest.raises(DescriptionError) as caught:
        parse(text)
    return caught.value


def mistakes(text: str | bytes) -> tuple[Mistake, ...]:
    """All mistakes of ``text``."""
    return refused(text).mistakes


def only_mistake(text: str | bytes) -> Mistake:
    """The one mistake of ``text``."""
    (mistake,) = mistakes(text)
    return mistake
