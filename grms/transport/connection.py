"""One kept SSH connection: the socket, the host's key, the login, and the breaker in front."""

from __future__ import annotations

import getpass
import logging
import socket
import threading
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import paramiko

from grms.errors import SiteError
from grms.transport.breaker import Breaker
from grms.transport.target import Target

#: Hardware AES with its own checksum is three times as fast as what paramiko prefers.
_FAST_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
_WINDOW = 8 << 20
_KEEPALIVE = 15
#: Milliseconds that sent data may stay unacknowledged before the kernel ends the connection.
_USER_TIMEOUT = 60_000
_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")

# What paramiko logs as errors reaches us as exceptions.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class Connection:
    """Opens the connection when it is needed and again when it was lost. Thread-safe."""

    def __init__(self, target: Target, breaker: Breaker | None = None) -> None:
        self.target = target
        self.breaker = breaker or Breaker()
        self._lock = threading.Lock()
        self._transport: paramiko.Transport | None = None

    def transport(self) -> paramiko.Transport:
        """The live connection. Raises SiteError; one thread connects, the others wait for it."""
        with self._lock:
            if self._transport is not None:
                if self._transport.is_active():
                    return self._transport
                self._drop()
            self.breaker.check(time.monotonic())
            try:
                self._transport = self._connect()
            except SiteError as error:
                self.breaker.failed(error, time.monotonic())
                raise
            self.breaker.succeeded()
            return self._transport

    def close(self) -> None:
        """End the connection; the next use opens it again."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def _connect(self) -> paramiko.Transport:
        target = self.target
        try:
            sock = socket.create_connection((target.host, target.port), target.connect_timeout)
        except OSError as error:
            raise SiteError(f"cannot reach {target}: {error.strerror or error}") from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT)
        transport = paramiko.Transport(sock, default_window_size=_WINDOW)
        try:
            self._log_in(transport)
        except BaseException:
            transport.close()
            raise
        transport.set_keepalive(_KEEPALIVE)
        return transport

    def _log_in(self, transport: paramiko.Transport) -> None:
        target = self.target
        transport.banner_timeout = transport.auth_timeout = target.connect_timeout
        known = known_keys(target)
        options = transport.get_security_options()
        options.ciphers = _FAST_CIPHERS + tuple(
            name for name in options.ciphers if name not in _FAST_CIPHERS
        )
        options.key_types = sorted(options.key_types, key=lambda name: not _fits(name, known))
        try:
            transport.start_client(timeout=target.connect_timeout)
            check_host_key(target, known, transport.get_remote_server_key())
            log_in(target, transport)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise SiteError(f"no SSH connection to {target}: {error or 'it was closed'}") from error


def _fits(algorithm: str, known: dict[str, paramiko.PKey]) -> bool:
    rsa = algorithm.startswith("rsa-sha2") and "ssh-rsa" in known
    return rsa or algorithm in known


def known_keys(target: Target) -> dict[str, paramiko.PKey]:
    """The keys that known_hosts lists for the host, by type. Raises SiteError (permanent)."""
    path = known_hosts(target)
    try:
        found = paramiko.HostKeys(str(path)).lookup(target.known_name)
    except (OSError, paramiko.SSHException) as error:
        raise _lasting(
            f"cannot read the known hosts {path}: {error}; "
            f"make it with: {_scan(target)} (and compare the key with the site's own word)"
        ) from error
    return {name: found[name] for name in found} if found else {}


def known_hosts(target: Target) -> Path:
    """The file with the keys of known hosts."""
    return Path(target.known_hosts or "~/.ssh/known_hosts").expanduser()


def check_host_key(target: Target, known: dict[str, paramiko.PKey], key: paramiko.PKey) -> None:
    """Refuse a host whose key is not exactly one that is known."""
    if any(key.asbytes() == other.asbytes() for other in known.values()):
        return
    path, print_ = known_hosts(target), key.fingerprint
    if not known:
        raise _lasting(
            f"the host key of {target.known_name} is not in {path}; it shows "
            f"{key.get_name()} {print_}. If the site confirms that: {_scan(target)}"
        )
    raise _lasting(
        f"the host key of {target.known_name} is not the one in {path}: it shows {key.get_name()} "
        f"{print_}. This may be an attack. If the site confirms the change: "
        f"ssh-keygen -R '{target.known_name}' -f {path} && {_scan(target)}"
    )


def _scan(target: Target) -> str:
    return f"ssh-keyscan -p {target.port} {target.host} >> {known_hosts(target)}"


def log_in(target: Target, transport: paramiko.Transport) -> None:
    """Log in with each key in turn; never with a password. Raises SiteError."""
    user = target.user or getpass.getuser()
    tried: list[str] = []
    with closing(_keys(target)) as keys:
        for key in keys:
            try:
                wanted = transport.auth_publickey(user, key)
            except paramiko.AuthenticationException:
                tried.append(f"{key.get_name()} {key.fingerprint}")
                if not transport.is_active():
                    raise SiteError(
                        f"{target} hung up during the login, after {', '.join(tried)}; "
                        "if an agent offers too many keys, name one with key_file"
                    ) from None
                continue
            if transport.is_authenticated():
                return
            raise _lasting(f"{target} wants more than a key: {', '.join(wanted)}; use another way")
    if not tried:
        raise _lasting(
            f"there is no key to log in to {target} with: give key_file, start an ssh-agent, "
            f"or make one of {', '.join('~/.ssh/' + name for name in _DEFAULT_KEYS)}"
        )
    raise _lasting(
        f"{target.host} refused every key for the account {user!r}: {', '.join(tried)}; "
        f"allow one of them there: ssh-copy-id -p {target.port} -i KEY.pub {user}@{target.host}"
    )


def _keys(target: Target) -> Generator[paramiko.PKey, None, None]:
    if target.key_file:
        yield _load(Path(target.key_file).expanduser())
        return
    agent = paramiko.Agent()
    try:
        yield from agent.get_keys()
        for name in _DEFAULT_KEYS:
            path = Path("~/.ssh", name).expanduser()
            if path.is_file():
                yield _load(path)
    finally:
        agent.close()


def _load(path: Path) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(str(path))
    except (OSError, paramiko.SSHException, ValueError, TypeError) as error:
        raise _lasting(
            f"cannot use the key {path}: {error}; a key with a passphrase belongs into an "
            "ssh-agent (ssh-add), and key_file is then left out"
        ) from error


def _lasting(message: str) -> SiteError:
    return SiteError(message, transient=False)
