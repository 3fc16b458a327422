"""Damaged documents are read or refused, nothing else."""

from __future__ import annotations

from gjd_documents import EVERYTHING
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grms.errors import DescriptionError
from grms.gjd.model import JobDescription
from grms.gjd.parse import parse
from grms.gjd.render import render

PIECES = [
    *("", "<", ">", "/>", "&", "&#10;", '"', "..", "/", "-", "0", "99999999999999999999", "\x00"),
    *("<value>", "</value>", "<file/>", "<url/>", "<?p?>", "<!--", "-->", "<![CDATA[", "]]>"),
    *(" name='x'", " xmlns='u'", " xmlns:xsi='u' xsi:type='t'", "x:", "\ud800", "\u2028", "é"),
]


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """The document with up to three stretches replaced."""
    text = EVERYTHING
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = start + draw(st.integers(0, 30))
        text = text[:start] + draw(st.sampled_from(PIECES)) + text[end:]
    return text


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(damaged())
def test_a_damaged_document_is_read_or_refused_with_reasons(text):
    outcome = read(text)
    if isinstance(outcome, DescriptionError):
        assert outcome.mistakes
        assert all(mistake.what and mistake.path for mistake in outcome.mistakes)
    else:
        assert parse(render(outcome)) == outcome


def read(text: str) -> JobDescription | DescriptionError:
    """What becomes of ``text``."""
    try:
        return parse(text)
    except DescriptionError as error:
        return error
