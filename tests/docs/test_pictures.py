"""The pictures are those that their script draws."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree


def test_the_pictures_are_up_to_date(root: Path) -> None:
    """If this fails, run docs/make_pictures.py and look at what changed."""
    done = subprocess.run(
        [sys.executable, str(root / "docs/make_pictures.py"), "--check"],
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr


def test_every_picture_is_well_formed_and_has_a_title(root: Path) -> None:
    for file in (root / "docs/pictures").glob("*.svg"):
        title = ElementTree.parse(file).getroot().find("{http://www.w3.org/2000/svg}title")
        assert title is not None, file.name
        assert title.text, file.name
