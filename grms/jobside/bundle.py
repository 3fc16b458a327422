"""The program that is copied to a cluster: these modules in one file that Python can run."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from importlib import resources

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
    starts quickly and needs no zlib.
    """
    texts = {"__main__.py": _MAIN, "grms/__init__.py": b"", "grms/jobside/__init__.py": b""}
    for name in _MODULES:
        text = resources.files("grms.jobside").joinpath(f"{name}.py").read_bytes()
        texts[f"grms/jobside/{name}.py"] = text
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return buffer.getvalue()
