"""What is built from a checkout is complete: the wheel works by itself, the sdist has all."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: What a stranger needs to build, test and read the project.
SHIPPED = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "demo",
    "test",
    "requirements.lock",
    "setup.cfg",
    "pyproject.toml",
    "schemas/gjd.xsd",
    "grms/gjd/gjd.xsd",
    "examples/echo.xml",
    "examples/data/lines.txt",
    "docs/README.md",
    "docs/adr/README.md",
    "testbed/common.sh",
    "tests/house/test_house_sizes.py",
    "tests/unit/gjd/test_gjd_packaging.py",
    "scripts/environment.sh",
)
USE = """
from importlib import resources
import grms, grms.api.app, grms.client.cli, grms.server.cli
from grms.gjd.gate import schema_bytes
from grms.jobside.bundle import program
from grms.server.wiring import embedded_cluster, make_adapter
from grms.config import Settings
from grms.store import migrate
from pathlib import Path
assert ".whl-venv" in grms.__file__, grms.__file__
assert b"grmsjob" in schema_bytes()
assert program().startswith(b"PK")
revision = migrate("sqlite:///" + str(Path.cwd() / "fresh.db"))
versions = resources.files("grms.store.migrations.versions")
assert [file for file in versions.iterdir() if file.name.startswith(revision)]
assert make_adapter(embedded_cluster(Settings(data_dir=Path.cwd()))).name == "fork"
assert resources.files("grms").joinpath("py.typed").is_file()
print("complete")
"""


def _run(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        words, cwd=cwd, env=kept | env, text=True, capture_output=True, timeout=280
    )


def _setuptools_is_here() -> bool:
    probe = "import setuptools, sys; sys.exit(int(setuptools.__version__.split('.')[0]) < 68)"
    return _run(sys.executable, "-c", probe, cwd=ROOT).returncode == 0


def _index_answers() -> bool:
    try:
        socket.create_connection(("pypi.org", 443), timeout=10).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, so that building leaves nothing in it."""
    place = tmp_path_factory.mktemp("source") / "grms"
    left_out = shutil.ignore_patterns(
        ".git", ".venv", ".demo", "*.egg-info", "__pycache__", ".*_cache", "build", "dist"
    )
    shutil.copytree(ROOT, place, symlinks=True, ignore=left_out)
    return place


@pytest.fixture(scope="module")
def distributions(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the sdist; the wheel is made from the unpacked sdist."""
    isolated = not _setuptools_is_here()
    if isolated and not _index_answers():
        pytest.skip("building needs setuptools 68 or newer, and no package index can be reached")
    place = tmp_path_factory.mktemp("dist")
    words = ["--outdir", str(place)] + ([] if isolated else ["--no-isolation"])
    done = _run(sys.executable, "-m", "build", *words, str(source), cwd=place)
    if "No module named build" in done.stderr:
        pytest.skip("the package 'build' is not installed")
    assert done.returncode == 0, done.stdout + done.stderr
    return next(place.glob("*.whl")), next(place.glob("*.tar.gz"))


def test_the_sdist_has_what_a_stranger_needs(distributions: tuple[Path, Path]) -> None:
    with tarfile.open(distributions[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        assert [name for name in SHIPPED if name not in names] == []
        modes = {m.name.partition("/")[2]: m.mode for m in archive.getmembers()}
    assert modes["demo"] & 0o111, "demo cannot be run"
    assert [name for name in names if name.endswith(".pyc")] == []


def test_the_wheel_has_the_package_and_nothing_else(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[0]) as archive:
        names = archive.namelist()
        schema = archive.read("grms/gjd/gjd.xsd")
    assert schema == (ROOT / "schemas/gjd.xsd").read_bytes()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"grms"}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "grms").rglob("*.py")}
    assert sorted(modules - set(names)) == []


def test_the_wheel_works_in_an_environment_of_its_own(
    distributions: tuple[Path, Path], tmp_path: Path
) -> None:
    """Its dependencies are those of the environment that runs this test."""
    place = tmp_path / ".whl-venv"
    venv.create(place, with_pip=True, symlinks=True)
    python = str(place / "bin/python")
    mine = place / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    # By the venv's own pip, which cannot touch the environment that runs this test.
    done = _run(python, "-m", "pip", "install", "-qq", "--no-deps", "--no-index",
                str(distributions[0]), cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    # A plain line in a .pth file comes after the venv's own packages and runs no other .pth.
    (mine / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", "utf-8")
    for program in ("grms-server", "grms-client"):
        script = str(place / "bin" / program)
        shown = _run(python, script, "--help", cwd=tmp_path)
        assert shown.returncode == 0, shown.stderr
        assert "Usage:" in shown.stdout
    used = _run(python, "-c", USE, cwd=tmp_path)
    assert used.stdout.strip() == "complete", used.stderr
