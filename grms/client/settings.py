"""Where the broker is and who calls: options, then variables, then a file, then defaults."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grms.errors import ConfigError

DEFAULT_SERVER = "http://127.0.0.1:8080"

#: Keys of the configuration file.
KEYS = ("server", "timeout", "token", "token_file")


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What the client needs to know; ``timeout`` in seconds for one answer."""

    server: str = DEFAULT_SERVER
    token: str = ""
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; None where it says nothing."""

    config: Path | None = None
    server: str | None = None
    token_file: Path | None = None
    timeout: float | None = None


def config_home(environ: Mapping[str, str]) -> Path:
    """The directory of the client's files: ``~/.config/grms`` unless XDG_CONFIG_HOME is set."""
    base = environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base else _home(environ) / ".config") / "grms"


def load(options: Options, environ: Mapping[str, str]) -> ClientSettings:
    """The settings in force. Raises ConfigError with every mistake of the file at once."""
    named = options.config or _path(environ.get("GRMS_CLIENT_CONFIG", ""), environ)
    file = named or config_home(environ) / "client.toml"
    values = _read(file) if named or file.exists() else {}
    given = environ.get("GRMS_TIMEOUT", "")
    timeout = options.timeout or _seconds(given) or values.get("timeout") or 60.0
    return ClientSettings(
        server=options.server
        or environ.get("GRMS_SERVER", "")
        or values.get("server", "")
        # The address of a local broker is what a first try needs.
        or DEFAULT_SERVER,
        token=_token(options, environ, values, file.parent),
        timeout=float(timeout),
    )


def _token(
    options: Options, environ: Mapping[str, str], values: Mapping[str, Any], base: Path
) -> str:
    if options.token_file:
        return _read_token(options.token_file)
    if token := environ.get("GRMS_TOKEN", "").strip():
        return token
    if path := _path(environ.get("GRMS_TOKEN_FILE", ""), environ):
        return _read_token(path)
    if token := values.get("token", "").strip():
        return str(token)
    if path := _path(values.get("token_file", ""), environ):
        return _read_token(base / path)
    usual = config_home(environ) / "token"
    return _read_token(usual) if usual.exists() else ""


def _read_token(path: Path) -> str:
    try:
        token = path.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"cannot read the token file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the token file {path} is not text") from error
    if not token or not token.isascii() or len(token.split()) != 1:
        raise ConfigError(f"the token file {path} must hold one word, the token")
    return token


def _read(file: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from error
    mistakes = [_mistake(file, key, value) for key, value in values.items()]
    if any(mistakes):
        raise ConfigError("\n".join(mistake for mistake in mistakes if mistake))
    return values


def _mistake(file: Path, key: str, value: Any) -> str:
    if key not in KEYS:
        return f"{file}: there is no setting {key!r}; known: {', '.join(KEYS)}"
    if key == "timeout":
        number = isinstance(value, int | float) and not isinstance(value, bool)
        good, wanted = number and 0 < value < float("inf"), "a number of seconds above 0"
    else:
        good, wanted = isinstance(value, str), "a text in quotes"
    return "" if good else f"{file}: {key} = {value!r}: expected {wanted}"


def _seconds(text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ConfigError(f"GRMS_TIMEOUT = {text!r}: expected a number of seconds above 0")
    return value


def _path(text: str, environ: Mapping[str, str]) -> Path | None:
    if text.startswith("~/"):
        return _home(environ) / text[2:]
    return Path(text) if text else None


def _home(environ: Mapping[str, str]) -> Path:
    home = environ.get("HOME", "")
    return Path(home) if home else Path.home()
