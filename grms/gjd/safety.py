"""From untrusted text to an XML tree: what is dangerous is refused before anything is resolved.

A job description needs no document type, no entity, no processing instruction and no file or
network access to be read; with each of them a document can read the broker's files, exhaust its
memory or reach into its network.
"""

from __future__ import annotations

import codecs
import re
import threading

from lxml import etree

from grms.errors import DescriptionError, ErrorCode, Mistake
from grms.gjd.place import line_of, mistake_at

MAX_BYTES = 1_000_000
MAX_NODES = 100_000
MAX_DEPTH = 64

XSI = "{http://www.w3.org/2001/XMLSchema-instance}"

_DECLARATION = re.compile(r"\s*<\?xml\s[^>]*?\?>")
_ENCODING = re.compile(rb"""\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._\-]+)["']""")
# Codecs that turn bytes into characters one by one; Python knows others that are no encodings.
_PLAIN = re.compile(r"utf-8(-sig)?|utf-16(-[lb]e)?|ascii|iso8859-\d+|cp\d+|koi8-\w|mac-\w+")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_local = threading.local()


def read_tree(source: str | bytes) -> etree._Element:
    """The root element of ``source``, free of comments. Raises DescriptionError."""
    if len(source) > MAX_BYTES:
        raise _unsafe(f"it is larger than {MAX_BYTES} bytes", "move data out of it into files")
    text = _without_declaration(_decoded(source) if isinstance(source, bytes) else source)
    _check_prolog(text)
    root = _parsed(text)
    if "<?" in text:
        _check_instructions(root)
    if text.count("<") > MAX_NODES and sum(1 for _ in root.iter()) > MAX_NODES:
        raise _unsafe(f"it has more than {MAX_NODES} elements")
    if "chemaLocation" in text:
        _check_locations(root)
    return root


def _unsafe(what: str, cure: str = "", line: int = 0, path: str = "/") -> DescriptionError:
    return DescriptionError([Mistake(line, path, what, cure, ErrorCode.UNSAFE_DESCRIPTION)])


def _instruction(line: int) -> DescriptionError:
    return _unsafe("processing instructions are not accepted", "take it out", line)


def _decoded(data: bytes) -> str:
    """``data`` by its byte order mark, else by the encoding it declares, else as UTF-8."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _decode(data, encoding)
    if data[:2] in (b"<\0", b"\0<"):
        return _decode(data, "utf-16-le" if data[1] == 0 else "utf-16-be")
    match = _ENCODING.match(data)
    declared = match[1].decode("ascii") if match else "utf-8"
    try:
        # A declaration that could be read as ASCII is not in UTF-16, whatever it says.
        if _PLAIN.fullmatch(name := codecs.lookup(declared).name) and "16" not in name[:6]:
            return data.decode(name)
    except (LookupError, UnicodeDecodeError):
        pass
    return _decode(data, "utf-8")


def _decode(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"byte {error.start} is not {encoding.upper()}"
        cure = "save the document as UTF-8, or declare its encoding"
        raise DescriptionError([Mistake(line, "/", what, cure)]) from None


def _without_declaration(text: str) -> str:
    """``text`` without byte order mark and declaration, its lines where they were."""
    text = text.removeprefix("\ufeff")
    match = _DECLARATION.match(text)
    if match is None:
        return text
    return "\n" * match[0].count("\n") + text[match.end() :]


def _check_prolog(text: str) -> None:
    """Refuse a document type or an instruction before the root; comments may stand there."""
    at = 0
    while (at := text.find("<", at)) >= 0 and text.startswith("<!--", at):
        at = text.find("-->", at + 4)
        if at < 0:
            return  # the parser says it better
    line = text.count("\n", 0, max(at, 0)) + 1
    if text.startswith("<!", at):
        cure = "take <!DOCTYPE ...> out; entities are not accepted"
        raise _unsafe("a document type (DTD) is not accepted", cure, line)
    if text.startswith("<?", at):
        raise _instruction(line)


def _parser() -> etree.XMLParser:
    parser: etree.XMLParser | None = getattr(_local, "parser", None)
    if parser is None:
        parser = _local.parser = etree.XMLParser(
            encoding="utf-8",
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            huge_tree=False,
            remove_comments=True,
        )
    return parser


def _parsed(text: str) -> etree._Element:
    try:
        return etree.fromstring(text.encode("utf-8"), _parser())
    except (etree.XMLSyntaxError, UnicodeEncodeError) as error:
        if (illegal := _ILLEGAL.search(text)) is not None:
            line = text.count("\n", 0, illegal.start()) + 1
            what = f"the character U+{ord(illegal[0]):04X} is not allowed in XML"
            raise DescriptionError([Mistake(line, "/", what, "take it out")]) from None
        raise _not_well_formed(error) from None


def _not_well_formed(error: Exception) -> DescriptionError:
    line = error.lineno or 0 if isinstance(error, etree.XMLSyntaxError) else 0
    reason = (error.msg or str(error)) if isinstance(error, etree.XMLSyntaxError) else str(error)
    if "depth" in reason or "huge" in reason.lower():
        return _unsafe(f"it is nested too deeply ({reason})", line=line)
    cure = "write & as &amp; and < as &lt;" if "ntity" in reason or "StartTag" in reason else ""
    return DescriptionError([Mistake(line, "/", f"it is not well-formed XML: {reason}", cure)])


def _check_instructions(root: etree._Element) -> None:
    """Refuse an instruction inside or after the root; ``<?`` may be plain text in CDATA."""
    instruction = next(root.iter(etree.PI), None)
    if instruction is None:
        instruction = root.getnext()
    if instruction is not None:
        raise _instruction(line_of(instruction))


def check_depth(root: etree._Element) -> None:
    """Refuse a tree that is too deep; a valid one cannot be. Raises DescriptionError."""
    level = [root]
    for _ in range(MAX_DEPTH):
        level = [child for element in level for child in element if len(child)]
        if not level:
            return
    raise _unsafe(f"it is nested deeper than {MAX_DEPTH}", line=line_of(level[0]))


def _check_locations(root: etree._Element) -> None:
    """A schema named below the root would be fetched by the validator: refuse it."""
    for element in root.iterdescendants():
        if any(str(name).endswith("chemaLocation") for name in element.attrib):
            what, cure = "it names a schema elsewhere", "take schemaLocation out"
            unsafe = ErrorCode.UNSAFE_DESCRIPTION
            raise DescriptionError([mistake_at(element, what, cure, code=unsafe)])
