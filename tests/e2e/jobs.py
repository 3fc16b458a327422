"""Job descriptions for the end-to-end tests."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr


def shell_job(
    script: str,
    *,
    stdout: str = "",
    files: str = "",
    resource: str = "",
    appid: str = "e2e",
    persistent: bool = False,
    attributes: str = 'type="single"',
    environment: str = "",
) -> str:
    """A job that runs ``script`` with /bin/sh; ``stdout`` is a URL."""
    out = f"<stdout><url>{escape(stdout)}</url></stdout>" if stdout else ""
    return (
        f"<grmsjob appid={quoteattr(appid)} persistent={quoteattr(str(persistent).lower())}>"
        f"<simplejob>{resource}<executable {attributes}>"
        '<file name="sh" type="in"><url>file:////bin/sh</url></file>'
        f"<arguments><value>-c</value><value>{escape(script)}</value>{files}</arguments>"
        f"{out}{environment}</executable></simplejob></grmsjob>"
    )
