"""Why an invalid tree is invalid: every fault of its structure, in plain words.

Only documents that the gate refused come here, so that the cost (some 40 times the gate's) falls on
them alone. xmlschema goes on after a fault, where libxml2 stops at the first of each element.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from lxml import etree

from grms.errors import Mistake
from grms.gjd.gate import complaints, schema_bytes
from grms.gjd.place import MAX_MISTAKES, mistake_at

if TYPE_CHECKING:
    from xmlschema import XMLSchema, XMLSchemaValidationError

_ATTRIBUTE = re.compile(r"attribute ([\w.\-]+)=.*?: (?=\S)", re.DOTALL)
_NOT_ALLOWED = re.compile(r"'(.+)' attribute not allowed for element")
_MISSING = re.compile(r"missing required attribute '(.+)'")

#: Elements and attributes up to which xmlschema is asked: its time grows with their square, to
#: minutes over 90,000 wrong children.
EXPLAINED = 1000

# Legal words that the broker does not carry out: no cure names them.
_NOT_ADVISED = frozenset({"collection", "collectionfile", "reservation", "workflowjob"})

_TYPES = {
    "integer": "a whole number",
    "int": "a whole number",
    "double": "a number",
    "boolean": "true or false",
    "duration": "a duration such as PT90M",
    "time": "a time of day such as 08:00:00",
    "date": "a date such as 2030-01-31",
    "dateTime": "a date and time such as 2030-01-31T08:00:00Z",
}


def faults(root: etree._Element) -> list[Mistake]:
    """The structural mistakes of ``root``, which the gate refused; the first 100 of them.

    Of a very large document the gate's own words are given.
    """
    if sum(1 + len(element.attrib) for element in root.iter()) > EXPLAINED:
        return complaints(root)
    errors = _schema().iter_errors(root)
    found = [_mistake(error) for error in islice(errors, MAX_MISTAKES)]
    return list(dict.fromkeys(found + _repeated(root))) or complaints(root)


def _repeated(root: etree._Element) -> list[Mistake]:
    """Requirements given twice, of which xmlschema is silent beside a misspelt one."""
    found = []
    for resource in root.iter("resource"):
        tags = [child.tag for child in resource]
        twice = [child for at, child in enumerate(resource) if child.tag in tags[:at]]
        found += [_too_many(child) for child in twice]
    return found


def _too_many(child: etree._Element) -> Mistake:
    return mistake_at(child, f"<{child.tag}> is there twice", "keep one of them")


@lru_cache(maxsize=1)
def _schema() -> XMLSchema:
    from xmlschema import XMLSchema  # takes longer to import than all the rest of GJD

    return XMLSchema(schema_bytes().decode("utf-8"))


def nearest(word: str, known: Iterable[str]) -> str:
    """A cure for a misspelt ``word``: the nearest of ``known``, or all of them."""
    names = sorted(known)
    close = get_close_matches(word, names, n=1) or get_close_matches(
        word.lower(), [name.lower() for name in names], n=1
    )
    if close:
        meant = next(name for name in names if name.lower() == close[0].lower())
        return f"did you mean {meant}?"
    return f"known: {', '.join(names)}" if names else ""


def _mistake(error: XMLSchemaValidationError) -> Mistake:
    element: Any = error.elem
    for explain in (_child, _attribute, _content):
        mistake: Mistake | None = explain(error, element)
        if mistake is not None:
            return mistake
    return mistake_at(element, str(error.reason))


def _child(error: Any, parent: etree._Element) -> Mistake | None:
    """A child that does not belong where it is, or one that is missing."""
    if not hasattr(error, "particle"):
        return None
    if error.invalid_tag is None:
        particle = error.particle
        wanted = particle if hasattr(particle, "iter_elements") else [particle]
        cure = f"it needs {_either(wanted)}"
        return mistake_at(parent, f"<{parent.tag}> is not complete", cure)
    child = parent[error.index]
    group = error.validator
    allowed = _names(group)
    if child.tag not in allowed:
        cure = nearest(etree.QName(child).localname, allowed)
        return mistake_at(child, f"there is no element <{child.tag}> in <{parent.tag}>", cure)
    if group.model == "all":
        return _too_many(child)
    if group.model == "choice":
        return mistake_at(child, f"<{child.tag}> is one too many", "keep one of them")
    return mistake_at(
        child, f"<{child.tag}> may not stand here", f"the order is: {', '.join(allowed)}"
    )


def _names(group: Any) -> list[str]:
    """The element names of a content model (or of a list of elements), in order."""
    elements = group.iter_elements() if hasattr(group, "iter_elements") else group
    return [item.local_name for item in elements]


def _either(group: Any) -> str:
    return " or ".join(f"<{name}>" for name in _names(group) if name not in _NOT_ADVISED)


def _attribute(error: Any, element: etree._Element) -> Mistake | None:
    """An attribute that is unknown or missing."""
    reason = str(error.reason)
    if match := _NOT_ALLOWED.fullmatch(reason):
        cure = nearest(match[1], [name for name in error.validator if name])
        return mistake_at(
            element, f"<{element.tag}> has no attribute {match[1]}", cure, attribute=match[1]
        )
    if match := _MISSING.fullmatch(reason):
        return mistake_at(
            element, f"<{element.tag}> lacks its attribute {match[1]}", attribute=match[1]
        )
    return None


def _content(error: Any, element: etree._Element) -> Mistake | None:
    """A value that is not of its type, be it text or attribute."""
    reason, attribute = str(error.reason), ""
    if match := _ATTRIBUTE.match(reason):
        reason, attribute = reason[match.end() :], match[1]
    if reason.startswith("character data"):
        cure = f"put it into {_either(error.validator)}"
        return mistake_at(element, f"text may not stand in <{element.tag}>", cure)
    if reason.startswith("a simple content element"):
        return mistake_at(
            element, f"<{element.tag}> may hold text only", "take the elements out of it"
        )
    if choices := getattr(error.validator, "enumeration", None):
        words = [str(choice) for choice in choices]
        what = f"{error.obj!r} is not one of {', '.join(words)}"
        return mistake_at(element, what, nearest(str(error.obj), words), attribute=attribute)
    kind = _TYPES.get(getattr(error.validator, "local_name", None) or "")
    if kind is not None:
        return mistake_at(element, f"{error.obj!r} is not {kind}", attribute=attribute)
    if isinstance(error.obj, int):
        return mistake_at(element, f"{error.obj} is out of range", attribute=attribute)
    return None
