"""The program that is copied to a cluster: these modules in one file that Python can run."""

from __future__ import annotations

import io
import marshal
import zipfile
from functools import cache
from importlib import resources
from importlib.util import MAGIC_NUMBER, source_hash

_MODULES = (
    "files",
    "processes",
    "cgroup",
    "child",
    "requests",
    "supervise",
    "job",
    "launch",
    "wrappers",
    "host",
    "posting",
    "grms_job",
    "run",
)
_MAIN = b"import sys\nfrom grms.jobside.run import main\nsys.exit(main(sys.argv[1:]))\n"


@cache
def program() -> bytes:
    """One file for ``python3 -I -S``: a zip archive, the same bytes for the same modules.

    Source: https://docs.python.org/3/library/zipapp.html; stored, not compressed, so that it
    starts quickly and needs no zlib. Each module is there as text, for any Python, and compiled
    for the one we run on: an interpreter of the same version starts in a third of the time, any
    other passes over what it cannot read (https://docs.python.org/3/library/zipimport.html).
    """
    texts = {"grms/__init__.py": b"", "grms/jobside/__init__.py": b""}
    for name in _MODULES:
        text = resources.files("grms.jobside").joinpath(f"{name}.py").read_bytes()
        texts[f"grms/jobside/{name}.py"] = text
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py"), _MAIN)
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name), text)
            archive.writestr(zipfile.ZipInfo(f"{name}c"), _compiled(name, text))
    return buffer.getvalue()


def _compiled(name: str, text: bytes) -> bytes:
    """A ``.pyc`` without a date; layout: https://peps.python.org/pep-0552/."""
    unchecked = (1).to_bytes(4, "little")
    code = compile(text, name, "exec", dont_inherit=True, optimize=0)
    return MAGIC_NUMBER + unchecked + source_hash(text) + marshal.dumps(code)
