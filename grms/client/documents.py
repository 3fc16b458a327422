"""Reading a job description from a file or from standard input."""

from __future__ import annotations

import codecs
import re
import sys
from pathlib import Path

from grms.errors import ErrorCode, RequestError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")


def read(file: str) -> str:
    """The text of ``file``, of standard input for ``-``.

    Raises RequestError for a file that cannot be read or is not in the encoding it declares.
    """
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise RequestError(
            f"cannot read the description {file}: {error.strerror}", code=ErrorCode.BAD_DESCRIPTION
        ) from error
    name = "standard input" if file == "-" else file
    if not content.strip():
        raise RequestError(f"{name} is empty", code=ErrorCode.BAD_DESCRIPTION)
    return decode(content, name)


def decode(content: bytes, name: str) -> str:
    """XML bytes as text: by byte order mark, else as declared, else UTF-8."""
    encoding = next((which for mark, which in _BOMS if content.startswith(mark)), "")
    if not encoding:
        declared = _DECLARED.match(content)
        encoding = declared[1].decode("ascii") if declared else "utf-8"
    try:
        return content.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise RequestError(
            f"{name} is not {encoding} text: {error}; save it as UTF-8",
            code=ErrorCode.BAD_DESCRIPTION,
        ) from error
