"""What a URL says without touching what it names."""

from __future__ import annotations

import pytest

from grms.gjd.urls import local_path, scheme


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:/bin/date", "/bin/date"),
        ("file:///bin/date", "/bin/date"),
        ("file:////bin/date", "/bin/date"),
        ("file://///bin/date", "/bin/date"),
        ("file://localhost/bin/date", "/bin/date"),
        ("FILE:///bin/date", "/bin/date"),
        ("file:///a%20b", "/a b"),
        ("file:///a?b#c", "/a?b#c"),
        ("file:///${HOME}/bin/run", "${HOME}/bin/run"),
        ("file:////${HOME}/bin/run", "${HOME}/bin/run"),
        ("file:///data/${USER}", "/data/${USER}"),
        ("file:///", "/"),
        ("file://host/bin/date", None),
        ("file:bin/date", None),
        ("file:", None),
        ("https://host/bin/date", None),
        ("/bin/date", None),
    ],
)
def test_local_path(url, path):
    """A ``file:`` URL names an absolute path with any number of slashes but two."""
    assert local_path(url) == path


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("GSIFTP://h/x", "gsiftp"),
        ("file:/x", "file"),
        ("a+b-c.d:x", "a+b-c.d"),
        ("x", ""),
        ("1:x", ""),
    ],
)
def test_scheme(url, name):
    """The scheme is what stands before the colon, in lower case."""
    assert scheme(url) == name
