"""The text of a job description becomes the model, or all of its mistakes at once."""

from __future__ import annotations

from lxml import etree

from grms.errors import DescriptionError, ErrorCode
from grms.gjd.explain import faults, nearest
from grms.gjd.gate import conforms
from grms.gjd.model import JobDescription
from grms.gjd.place import mistake_at
from grms.gjd.reading import Reader
from grms.gjd.safety import XSI, check_depth, read_tree

#: Spellings of the root that clients use; the first is the language's own.
_ROOTS = ("grmsjob", "grmsJob")
# Attributes by which clients name a schema or a class of their own; they change nothing.
_IGNORED = tuple(XSI + name for name in ("type", "schemaLocation", "noNamespaceSchemaLocation"))


def parse(text: str | bytes) -> JobDescription:
    """The description that ``text`` states.

    Raises DescriptionError with every mistake of structure and of meaning, in document order;
    a dangerous document, an ill-formed one or one of another language is refused for that alone.
    """
    root = read_tree(text)
    _accept_root(root)
    reader = Reader()
    if conforms(root):
        description = reader.job(root)
        if not reader.mistakes:
            return description
        mistakes = reader.mistakes
    else:
        check_depth(root)
        mistakes = faults(root)
        reader.job(root)
        mistakes += reader.mistakes
    raise DescriptionError(sorted(mistakes, key=lambda mistake: mistake.line))


def _accept_root(root: etree._Element) -> None:
    """Bring the root into its own spelling; refuse documents of other languages."""
    if root.tag not in _ROOTS:
        name = etree.QName(root)
        cure = "write <grmsjob>" if name.namespace is None else "take its namespace away"
        if name.localname not in _ROOTS:
            cure = nearest(name.localname, _ROOTS[:1])
        what = f"the root is <{root.tag}>, not <grmsjob>"
        raise DescriptionError([mistake_at(root, what, cure)])
    root.tag = _ROOTS[0]
    for attribute in root.keys():  # noqa: SIM118
        if attribute in _IGNORED:
            del root.attrib[attribute]
    for child in root:
        if child.tag == "task":
            what = "a job of tasks, as in GRMS 2, is not carried out yet"
            cure = "write each task as <simplejob> of a job of its own, execfile as <file>"
            code = ErrorCode.NOT_CARRIED_OUT
            raise DescriptionError([mistake_at(child, what, cure, code=code)])
