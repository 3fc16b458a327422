"""The packed program: one file for any Python, quick for ours."""

from __future__ import annotations

import importlib.util
import io
import zipfile

from execution_host import Host

from grms.jobside.bundle import program


def test_each_module_is_there_as_text_and_compiled_for_this_python() -> None:
    with zipfile.ZipFile(io.BytesIO(program())) as archive:
        names = set(archive.namelist())
        compiled = archive.read("grms/jobside/job.pyc")
    texts = {name for name in names if name.endswith(".py")} - {"__main__.py"}
    assert {f"{name}c" for name in texts} == names - texts - {"__main__.py"}
    assert compiled.startswith(importlib.util.MAGIC_NUMBER)


def test_a_module_that_is_compiled_for_another_python_is_read_as_text(host: Host) -> None:
    magic = importlib.util.MAGIC_NUMBER
    host.program.write_bytes(program().replace(magic, bytes([magic[0] ^ 1]) + magic[1:]))
    assert host.run(["sh", "-c", "exit 5"]) == 5


def test_a_kept_launcher_answers_each_line(host: Host) -> None:
    host.describe(["true"])
    process = host.popen("serve")
    lines = f'["{host.control}"]\n[]\n'.encode()
    out, _ = process.communicate(lines, timeout=120)
    first, second = out.splitlines()
    assert b"native_id" in first
    assert second == b'{"answers": []}'
    assert host.exit()["code"] == 0
