"""The grammar as a gate: does a tree conform to ``gjd.xsd``?"""

from __future__ import annotations

import threading
from importlib import resources
from itertools import islice
from typing import Any

from lxml import etree

from grms.errors import Mistake
from grms.gjd.place import MAX_MISTAKES, shorten

_local = threading.local()


def schema_bytes() -> bytes:
    """The text of ``gjd.xsd`` as it was installed."""
    return resources.files("grms.gjd").joinpath("gjd.xsd").read_bytes()


def conforms(root: etree._Element) -> bool:
    """True when ``root`` is valid."""
    return _schema().validate(root)


def complaints(root: etree._Element) -> list[Mistake]:
    """What the gate itself says of an invalid ``root``: the lines are exact, not all is found."""
    schema = _schema()
    schema.validate(root)
    entries: Any = schema.error_log
    return [
        Mistake(entry.line, shorten(entry.path or "/"), shorten(entry.message))
        for entry in islice(entries, MAX_MISTAKES)
    ]


def _schema() -> etree.XMLSchema:
    # One per thread: threads that share one get each other's error_log.
    schema: etree.XMLSchema | None = getattr(_local, "schema", None)
    if schema is None:
        schema = _local.schema = etree.XMLSchema(etree.fromstring(schema_bytes()))
    return schema
