"""Where the client's settings come from, and which wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from grms.client.settings import DEFAULT_SERVER, ClientSettings, Options, load
from grms.client.wire import endpoint
from grms.errors import ConfigError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".config/grms").mkdir(parents=True)
    return tmp_path


def write(home: Path, text: str) -> None:
    (home / ".config/grms/client.toml").write_text(text, "utf-8")


def test_without_anything_the_local_broker_is_asked(tmp_path: Path) -> None:
    assert load(Options(), {"HOME": str(tmp_path)}) == ClientSettings(DEFAULT_SERVER, "", 60.0)


def test_the_file_is_read(home: Path) -> None:
    write(home, 'server = "http://f"\ntoken = "t"\ntimeout = 5\n')
    assert load(Options(), {"HOME": str(home)}) == ClientSettings("http://f", "t", 5.0)


def test_variables_win_over_the_file(home: Path) -> None:
    write(home, 'server = "http://f"\ntoken = "t"\ntimeout = 5\n')
    environ = {
        "HOME": str(home),
        "GRMS_SERVER": "http://v",
        "GRMS_TOKEN": "v",
        "GRMS_TIMEOUT": "7",
    }
    assert load(Options(), environ) == ClientSettings("http://v", "v", 7.0)


def test_options_win_over_variables(home: Path) -> None:
    token = home / "mine"
    token.write_text("o\n")
    environ = {"HOME": str(home), "GRMS_SERVER": "http://v", "GRMS_TOKEN": "v"}
    options = Options(server="http://o", token_file=token, timeout=3.0)
    assert load(options, environ) == ClientSettings("http://o", "o", 3.0)


def test_a_token_file_beside_the_settings_is_found(home: Path) -> None:
    write(home, 'token_file = "secret"')
    (home / ".config/grms/secret").write_text("s")
    assert load(Options(), {"HOME": str(home)}).token == "s"


def test_xdg_config_home_moves_the_directory(tmp_path: Path) -> None:
    (tmp_path / "x/grms").mkdir(parents=True)
    (tmp_path / "x/grms/token").write_text("t")
    assert (
        load(Options(), {"HOME": "/nowhere", "XDG_CONFIG_HOME": str(tmp_path / "x")}).token == "t"
    )


def test_the_token_file_variable_may_begin_with_a_tilde(home: Path) -> None:
    (home / "t").write_text("t")
    assert load(Options(), {"HOME": str(home), "GRMS_TOKEN_FILE": "~/t"}).token == "t"


def test_all_mistakes_of_the_file_are_told_at_once(home: Path) -> None:
    write(home, "server = 7\ntimeout = true\nsevrer = 'x'\n")
    with pytest.raises(ConfigError) as caught:
        load(Options(), {"HOME": str(home)})
    assert len(str(caught.value).splitlines()) == 3
    assert "no setting 'sevrer'; known: server, timeout, token, token_file" in str(caught.value)


@pytest.mark.parametrize("text", ["", "two words", "schlüssel"])
def test_a_token_file_holds_one_plain_word(home: Path, text: str) -> None:
    (home / ".config/grms/token").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match="must hold one word"):
        load(Options(), {"HOME": str(home)})


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        load(Options(config=tmp_path / "none"), {"HOME": str(tmp_path)})


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_a_timeout_is_a_number_of_seconds(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="GRMS_TIMEOUT"):
        load(Options(), {"HOME": str(tmp_path), "GRMS_TIMEOUT": text})


@pytest.mark.parametrize("server", ["http://h:1", "http://h:1/", "http://h:1/axis/services/grms"])
def test_the_path_of_the_service_is_added(server: str) -> None:
    assert endpoint(server) == "http://h:1/axis/services/grms"


def test_another_path_is_kept() -> None:
    assert endpoint("https://h/grid/grms") == "https://h/grid/grms"


@pytest.mark.parametrize("server", ["", "h:8080", "ftp://h", "http://", "http://h:x", "http://h:0"])
def test_what_is_no_address_is_named(server: str) -> None:
    with pytest.raises(ConfigError, match="http://host:port"):
        endpoint(server)
