"""Apache Axis 1.4, which the historical clients were built with, makes its stubs from the WSDL.

Its compiler and run time are the real ones, from Debian's libaxis-java. What ``AllOperations.java``
does with the stubs is told line by line.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest
from broker import Broker
from jobs import shell_job

PROGRAM = Path(__file__).parent / "axis" / "AllOperations.java"
JARS = [
    Path(f"/usr/share/java/{name}.jar")
    for name in (
        "axis",
        "jaxrpc",
        "saaj",
        "commons-logging",
        "commons-discovery",
        "wsdl4j",
        "javax.mail",
        "javax.activation",
    )
]
#: Codes of docs/reference/errors.md.
INVALID, TOO_LATE, NOT_DELIVERED = "10", "30", "120"


def _run(*words: str | Path) -> str:
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def stubs(broker: Broker, tmp_path: Path) -> str:
    """A class path with the compiled stubs and the program; skipped aloud without Axis."""
    missing = [str(jar) for jar in JARS if not jar.exists()]
    missing += [name for name in ("java", "javac") if not shutil.which(name)]
    if missing:
        pytest.skip(f"apt-get install libaxis-java default-jdk-headless: no {', '.join(missing)}")
    path = ":".join(map(str, JARS))
    wsdl, sources, classes = (tmp_path / name for name in ("grms.wsdl", "sources", "classes"))
    with urllib.request.urlopen(f"{broker.url}/axis/services/grms?wsdl", timeout=60) as answer:
        wsdl.write_bytes(answer.read())
    compiler = "org.apache.axis.wsdl.WSDL2Java"
    _run("java", "-cp", path, compiler, "-o", sources, "-p", "grms", wsdl.as_uri())
    _run("javac", "-nowarn", "-cp", path, "-d", classes, *sources.rglob("*.java"), PROGRAM)
    return f"{path}:{classes}"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("system", ["axis"])
def test_stubs_made_by_axis_carry_every_operation(
    stubs: str, system: str, broker: Broker, tmp_path: Path
) -> None:
    go, job = tmp_path / "go", tmp_path / "job.xml"
    text = shell_job(f"while [ ! -e {go} ]; do sleep 0.1; done", appid=system)
    job.write_text(text.replace("<grmsjob", '<grmsjob project="stubs"'))
    url, files = f"{broker.url}/axis/services/grms", f"file://{broker.files}"
    told = _run("java", "-cp", stubs, "AllOperations", url, broker.token, job, go, files)
    found = re.search(r"submitJob 0 (\S+)", told)
    assert found, told
    job_id = found.group(1)
    held = "getJobInfo 0 {} {} 1 stubs alice"
    assert told.splitlines()[1:] == [
        "testJobDescription 0",
        f"testJobDescription {INVALID}",
        told.splitlines()[3],
        f"submitJob 0 {job_id}",
        held.format("RUNNING", "TASK_EXEC_ACTIVE 512"),
        f"getJobsList 0 {job_id}",
        f"getJobsList 0 {job_id}",
        "getJobsList 0 0",
        f"getProjectJobsList 0 {job_id}",
        f"getProjectJobsList 0 {job_id}",
        "getAllJobsList 0",
        f"registerNotification {NOT_DELIVERED}",
        "getNotificationsList 0 1 true",
        "getNotificationInformation 0 true",
        "unregisterNotification 0",
        "registerApplicationAccess 0",
        "getApplicationAccess 0 http://127.0.0.1:9/application 4711",
        "unregisterApplicationAccess 0",
        "addOutputFileDirs 0 0 0",
        "getOutputFileDirs 0 1 true",
        "deleteOutputFileDirs 0 0 0",
        "addCheckpointFileDirs 0 0 0",
        "getCheckpointFileDirs 0 1 true",
        "deleteCheckpointFileDirs 0 0 0",
        "migrateJob 0",
        "migrateJob 0",
        "suspendJob 0",
        held.format("SUSPENDED", "TASK_EXEC 128"),
        f"suspendJob {TOO_LATE}",
        "resumeJob 0",
        "resumeJob 0",
        held.format("RUNNING", "TASK_EXEC_ACTIVE 512"),
        held.format("FINISHED", "TASK_DONE 8192"),
        "getJobHistory 0 1 true true",
        f"cancelJob {TOO_LATE}",
        f"submitJob {INVALID} null",
    ]
    assert re.fullmatch(r"findResources 0 \S+/jobmanager-fork", told.splitlines()[3])
