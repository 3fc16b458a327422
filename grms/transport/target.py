"""Where an SSH transport leads: a cluster's ``transport`` URL and options as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from grms.errors import ConfigError

#: The options of a cluster that belong to its SSH transport; docs/how-to/ssh-cluster.md.
OPTIONS = ("key_file", "known_hosts", "python", "channels", "connect_timeout")


@dataclass(frozen=True, slots=True)
class Target:
    """A host, the account to log in as, and how. Empty files mean those that ``ssh`` would use.

    ``channels`` is how many sessions are open at once, at most: keep it under MaxSessions of the
    server (10 unless set). ``connect_timeout`` in seconds, for each part of a login.
    """

    host: str
    port: int = 22
    user: str = ""
    key_file: str = ""
    known_hosts: str = ""
    python: str = "python3"
    channels: int = 8
    connect_timeout: float = 20.0

    def __str__(self) -> str:
        return f"{self.user}@{self.host}" + (f":{self.port}" if self.port != 22 else "")

    @property
    def known_name(self) -> str:
        """The name that known_hosts files list this host under."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"


def parse_target(url: str, account: str, options: Mapping[str, str]) -> Target:
    """``ssh://[user@]host[:port]`` as a Target; ``account``, where given, is who logs in.

    Raises ConfigError with all that is wrong.
    """
    mistakes: list[str] = []
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port or 22
    except ValueError:
        host, port = parts.hostname or "", 0
        mistakes.append(f"transport {url!r}: the port is not a number from 1 to 65535")
    if parts.scheme != "ssh" or not host or parts.password or parts.path.strip("/"):
        mistakes.append(f"transport {url!r}: expected ssh://[user@]host[:port], without a password")
    channels = _above_zero(options.get("channels", "8"), "channels", mistakes)
    timeout = _above_zero(options.get("connect_timeout", "20"), "connect_timeout", mistakes)
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return Target(
        host=host,
        port=port,
        user=account or parts.username or "",
        key_file=options.get("key_file", ""),
        known_hosts=options.get("known_hosts", ""),
        python=options.get("python", "python3"),
        channels=max(1, int(channels)),
        connect_timeout=timeout,
    )


def _above_zero(text: str, name: str, mistakes: list[str]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        mistakes.append(f"option {name} = {text!r}: expected a number above 0")
    return value
