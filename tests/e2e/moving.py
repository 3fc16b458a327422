"""Several clusters in one broker, and a counting job that moves between them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from xml.sax.saxutils import escape

from broker import Broker, eventually

PATIENCE = float(os.environ.get("GRMS_TEST_PATIENCE", "300"))
#: Seconds a step: so that the moves come before the end however slow the machine, and then the end.
SLOW, QUICK = 0.3, 0.005
COUNT = Path(__file__).parents[2] / "examples/checkpoint/count.py"


def fork_clusters(place: Path, names: Iterable[str], **keys: object) -> str:
    """A clusters file with one fork cluster for each name, each with its own directory."""
    file = place / "clusters.toml"
    place.mkdir(parents=True, exist_ok=True)
    more = "".join(f"{key} = {value!r}\n" for key, value in keys.items())
    file.write_text(
        "".join(
            f'[cluster.{name}]\nbatch = "fork"\nhost = "{name}.grid"\n'
            f'workdir = "{place / name}"\n{more}'
            for name in names
        )
    )
    return str(file)


def counting_job(
    out: Path,
    steps: int,
    seconds: float,
    *,
    host: str = "",
    log: Path | None = None,
    checkpoint: str = "",
    checkpointable: bool = True,
    python: str = sys.executable,
) -> str:
    """The description of ``examples/checkpoint/count.py``; its result goes to ``out``."""
    resource = f"<resource><hostname>{host}</hostname></resource>" if host else ""
    values = "".join(f"<value>{word}</value>" for word in ("count.py", steps, seconds, log or ""))
    return f"""<grmsjob appid="count"><simplejob>{resource}
      <executable type="single" checkpointable="{str(checkpointable).lower()}">
        <file name="python" type="in"><url>file:///{python}</url></file>
        <arguments>{values}
          <file name="count.py" type="in"><url>file://{COUNT}</url></file>
          <file name="result" type="out"><url>file://{out}</url></file>
        </arguments>
        <stdout><url>file://{out}.stdout</url></stdout>{checkpoint}
      </executable></simplejob></grmsjob>"""


def migrate_by_command(broker: Broker, job_id: str, text: str) -> None:
    """As a user does: ``grms-client migrate JOB FILE``."""
    file = broker.place / "there.xml"
    file.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "grms.client", "migrate", job_id, str(file)],
        env={**broker.env, "GRMS_SERVER": broker.url, "GRMS_TOKEN": broker.token},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def migrate_by_soap(broker: Broker, job_id: str, text: str) -> None:
    """As a program of the time does: an envelope of its own making."""
    body = (
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
        '<g:migrateJob xmlns:g="urn:grms" '
        'soapenv:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">'
        f"<jobId>{job_id}</jobId><jobDefinition>{escape(text)}</jobDefinition>"
        "</g:migrateJob></soapenv:Body></soapenv:Envelope>"
    )
    headers = {
        "Content-Type": "text/xml; charset=utf-8",
        "SOAPAction": '""',
        "Authorization": f"Bearer {broker.token}",
    }
    request = urllib.request.Request(f"{broker.url}/axis/services/grms", body.encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert ">0</errorCode>" in answer.read().decode()


def with_progress(text: str, python: str = sys.executable) -> str:
    """The same job, which says each second that it has come a very little further."""
    says = "p=1; while :; do grms-job progress $(printf 0.%04d $p); p=$((p + 1)); sleep 1; done"
    script = f'{{ {says}; }} & exec {python} "$@"'
    words = f"<value>-c</value><value>{escape(script)}</value>"
    text = text.replace(f"file:///{python}", "file:////bin/sh", 1)
    return text.replace(
        "<value>count.py</value>", f"{words}<value>sh</value><value>count.py</value>"
    )


def faster(clusters: Path, name: str, mhz: int) -> None:
    """Declare another speed of a cluster; a broker sees it when it starts."""
    head = re.compile(rf"(\[cluster\.{name}\]\n)(cpu_speed = \d+\n)?")
    clusters.write_text(head.sub(rf"\g<1>cpu_speed = {mhz}\n", clusters.read_text()))


def undisturbed(steps: int) -> int:
    """The result of a run that nobody moves."""
    value = 1
    for step in range(steps):
        value = value * 6364136223846793005 % 2**64 + step
    return value


def steps_done(log: Path) -> list[tuple[float, float, int]]:
    """What the job's own log says: begin, end, number of each step."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [(float(a), float(b), int(c)) for a, b, c in (line.split() for line in lines)]


def outcome(broker: Broker, job_id: str, nth: int = 0) -> str:
    """What became of a wish: the text of its closing event."""
    found: list[str] = []

    def closed() -> bool:
        found[:] = [
            event.text
            for event in broker.events(job_id)
            if event.kind.name == "WISH" and event.data.get("done")
        ]
        return len(found) > nth

    eventually(closed, f"a wish on {job_id} to be closed")
    return found[nth]


def expect(broker: Broker, job_id: str, check: Callable[[], object], what: str) -> None:
    """Wait for something that a job does; if in vain, fail with the end of its story."""
    try:
        eventually(check, what, PATIENCE)
    except AssertionError as error:
        story = "\n".join(f"{e.at:%H:%M:%S} {e.text}" for e in broker.events(job_id)[-25:])
        raise AssertionError(f"{error}\n{story}") from None
