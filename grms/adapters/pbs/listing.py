"""The three forms in which qstat lists jobs in full, read into the same flat attributes.

OpenPBS speaks JSON (``-F json``), TORQUE XML (``-x``), both speak text (``-f``). The JSON of
OpenPBS types values by their looks: a job named ``1e5`` comes back as ``100000``. No name of the
broker looks like a number; every value is made text again here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

from grms.adapters import answers

SYSTEM = "PBS"

#: Attributes by their name in the text form: ``Resource_List.walltime``.
Attributes = Mapping[str, str]

_NOTHING = re.compile(r"\s*(?:<Data\s*/>|<Data>\s*</Data>)?\s*")


def read(answer: str) -> dict[str, Attributes]:
    """Job id -> attributes. Raises SiteError for what is none of the three forms.

    TORQUE says nothing at all when there is no job; OpenPBS's JSON always has a head.
    """
    start = answer.lstrip()[:1]
    if start == "{":
        return _json(answer)
    if _NOTHING.fullmatch(answer):
        return {}
    if start == "<":
        return _xml(answer)
    return _text(answer)


def document(answer: str) -> Mapping[str, Any]:
    """A JSON answer of OpenPBS as it stands. Raises SiteError."""
    try:
        found = json.loads(answer, strict=False)
    except (ValueError, RecursionError) as error:
        raise answers.rubbish(SYSTEM, str(error), answer) from error
    if not isinstance(found, dict) or "pbs_version" not in found:
        raise answers.rubbish(SYSTEM, "not an answer of OpenPBS in JSON", answer)
    return found


def _json(answer: str) -> dict[str, Attributes]:
    jobs = document(answer).get("Jobs", {})
    if not isinstance(jobs, dict) or not all(isinstance(job, dict) for job in jobs.values()):
        raise answers.rubbish(SYSTEM, "Jobs is not a set of jobs", answer)
    return {native_id: dict(flat(job)) for native_id, job in jobs.items()}


def flat(attributes: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested attributes under dotted names; the job's environment is left out."""
    for name, value in attributes.items():
        if isinstance(value, dict):
            if not prefix and name != "Variable_List":
                yield from flat(value, f"{name}.")
        else:
            yield prefix + name, str(value)


def _xml(answer: str) -> dict[str, Attributes]:
    if "<!DOCTYPE" in answer or "<!ENTITY" in answer:
        raise answers.rubbish(SYSTEM, "XML with a document type", answer)
    try:
        root = ElementTree.fromstring(answer)  # noqa: S314 - no document type, hence no entities
    except (ElementTree.ParseError, ValueError) as error:
        raise answers.rubbish(SYSTEM, str(error), answer) from error
    jobs: dict[str, Attributes] = {}
    for job in root.iter("Job"):
        native_id = (job.findtext("Job_Id") or "").strip()
        if not native_id:
            raise answers.rubbish(SYSTEM, "a Job without Job_Id", answer)
        attributes: dict[str, str] = {}
        for item in job:
            attributes[item.tag] = (item.text or "").strip()
            attributes |= {f"{item.tag}.{part.tag}": (part.text or "").strip() for part in item}
        jobs[native_id] = attributes
    return jobs


def _text(answer: str) -> dict[str, Attributes]:
    """``Job Id:`` blocks; a line that begins with a tab goes on with the one before.

    An empty line ends each block; without the last one the answer is cut short.
    """
    if not answer.endswith("\n\n"):
        raise answers.rubbish(SYSTEM, "the list has no end", answer)
    jobs: dict[str, Attributes] = {}
    current: dict[str, str] = {}
    for line in answer.replace("\n\t", "").splitlines():
        if found := re.match(r"Job Id:\s*(\S+)\s*$", line):
            current = jobs[found.group(1)] = {}
        elif not line.strip():
            continue
        elif jobs and (found := re.match(r"\s{4}([\w.]+) = (.*)$", line)):
            current[found.group(1)] = found.group(2)
        else:
            raise answers.rubbish(SYSTEM, f"line {line!r:.100}", answer)
    return jobs
