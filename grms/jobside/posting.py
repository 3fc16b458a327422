"""Telling the broker over HTTP, where ``control/broker.json`` says how; files are the other way.

No redirect is followed and no proxy is asked: the token goes to the broker or nowhere.
"""

import json
import os
import time
from urllib.parse import quote, urlsplit

from grms.jobside.files import dump, load, write_whole

#: Seconds for one call. It may have counted although its answer did not come in time: the same
#: message through a file counts once, by its id.
PATIENCE = 5.0
#: Seconds for which a broker that could not be reached is not tried again.
PAUSE = 60.0


class RefusedError(Exception):
    """The broker's own words on why the message will not do."""


def post(control: bytes, message: "dict[str, object]", job_id: str) -> bool:
    """True when the broker took the message; False when it must go another way.

    Raises RefusedError.
    """
    way = load(os.path.join(control, b"broker.json"))
    mark = os.path.join(control, b"unreachable")
    if way is None or _recent(mark):
        return False
    from http.client import HTTPException  # takes long, and most jobs never need it

    try:
        status, answer = _call(str(way["url"]), str(way["token"]), job_id, dump(message))
    except (OSError, ValueError, KeyError, HTTPException):
        write_whole(mark, b"", durable=False)
        return False
    if status == 400:
        raise RefusedError(_reason(answer))
    return status == 200


def _recent(mark: bytes) -> bool:
    try:
        return 0 <= time.time() - os.stat(mark).st_mtime < PAUSE
    except OSError:
        return False


def _call(url: str, token: str, job_id: str, body: bytes) -> "tuple[int, bytes]":
    from http import client

    parts = urlsplit(url)
    kind = client.HTTPSConnection if parts.scheme == "https" else client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
        path = "%s/jobs/%s/told" % (parts.path.rstrip("/"), quote(job_id, safe=""))
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(65536)
    finally:
        connection.close()


def _reason(answer: bytes) -> str:
    try:
        return str(json.loads(answer.decode())["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return "the broker refused it"
