"""Names that a job or its owner gives to files in the job's directory. Pure."""

from __future__ import annotations


def safe_name(name: str) -> bool:
    """True for a relative path that stays inside a directory; ``.`` is the directory itself."""
    if name in (".", "./"):
        return True
    parts = name.split("/")
    return bool(name) and not any(
        part in ("", ".", "..") or not part.isprintable() for part in parts
    )
