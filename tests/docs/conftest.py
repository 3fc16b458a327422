"""What the tests of the documents use: a broker, and the code blocks of a page."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _broker_module() -> ModuleType:
    """``tests/e2e/broker.py``, which lives in another directory of tests."""
    if "broker" not in sys.modules:
        spec = importlib.util.spec_from_file_location("broker", ROOT / "tests/e2e/broker.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["broker"] = module
        spec.loader.exec_module(module)
    return sys.modules["broker"]


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the checkout."""
    return ROOT


@pytest.fixture
def examples() -> Iterator[None]:
    """/tmp/grms-examples for this test alone."""
    with _broker_module().examples_to_myself():
        yield


@pytest.fixture
def tutorial_broker(tmp_path: Path) -> Iterator[Any]:
    """A broker that may use /tmp/grms-examples, as the one of ``./demo`` may."""
    broker = _broker_module().Broker(tmp_path / "broker", {"GRMS_FILE_ROOTS": "/tmp/grms-examples"})
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory with ``grms-client`` and ``grms-server`` of this checkout, for the PATH."""
    place = tmp_path / "bin"
    place.mkdir()
    for name, module in (("grms-client", "grms.client"), ("grms-server", "grms.server")):
        file = place / name
        file.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n', "utf-8")
        file.chmod(0o755)
    return place


@pytest.fixture
def surroundings(programs: Path, tutorial_broker: Any, tmp_path: Path) -> dict[str, str]:
    """The environment of a reader who has followed the first lines of the tutorial."""
    token = tmp_path / "token"
    token.write_text(f"{tutorial_broker.token}\n", "utf-8")
    token.chmod(0o600)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GRMS_")}
    return kept | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "GRMS_SERVER": tutorial_broker.url,
        "GRMS_TOKEN_FILE": str(token),
        "HOME": str(tmp_path),
    }


def shell_blocks(page: Path) -> str:
    """The fenced ``sh`` blocks of a page as one script, which ends at the first failure."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks, f"{page} has no sh block"
    return "set -eux\n" + "\n".join(blocks)


@pytest.fixture
def script() -> Any:
    """The function ``shell_blocks``."""
    return shell_blocks
