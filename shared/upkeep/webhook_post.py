"""One signed request to a webhook: to the address that was checked alone, without redirects, within a bounded time."""

import base64
import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from shared.jobs.webhooks import KEY_PREFIX
from shared.version import code_version

TIMEOUT_SECONDS = 15.0
MAX_URL_LENGTH = 2000
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Forbidden(Exception):
    """The receiver's address is none that messages are sent to; the text says why, and names no address."""


@dataclass(frozen=True)
class Answer:
    """What a receiver said: the status, and for how many seconds it wants to be left alone."""

    status: int
    retry_after: float | None


def check_url(url: str, *, private: bool) -> None:
    """Look at a webhook's address, without asking for its name.

    Args:
        url: the address.
        private: whether http and addresses of private networks are allowed.

    Raises:
        Forbidden: it cannot be one.
    """
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise Forbidden("this is no address") from error
    if len(url) > MAX_URL_LENGTH or not url.isascii() or not url.isprintable() or " " in url:
        raise Forbidden(f"an address has up to {MAX_URL_LENGTH:,} visible ASCII characters")
    if parts.scheme not in (("https", "http") if private else ("https",)) or not host:
        raise Forbidden("give an address such as https://example.org/hook")
    if parts.username is not None or parts.fragment:
        raise Forbidden("an address has neither a user nor a fragment")
    with suppress(ValueError):
        _check(ipaddress.ip_address(host), private)


def post(url: str, message_id: str, secret: str, body: str, *, private: bool) -> Answer:
    """Send a message, signed, and return what its receiver said.

    Raises:
        Forbidden: the address is none that messages are sent to.
        OSError: nobody answers there, or not in time.
        http.client.HTTPException: the answer is none.
    """
    check_url(url, private=private)
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    connection = _Connection(
        parts.hostname or "", parts.port or (443 if secure else 80), private=private, secure=secure
    )
    # A receiver that says a byte now and then must not hold its sender.
    guard = threading.Timer(2 * TIMEOUT_SECONDS, connection.cut)
    guard.daemon = True
    guard.start()
    try:
        target = parts.path or "/"
        data = body.encode()
        connection.request(
            "POST", f"{target}?{parts.query}" if parts.query else target, data, _headers(message_id, secret, data)
        )
        answer = connection.getresponse()
        after = answer.headers.get("Retry-After", "")
        return Answer(answer.status, float(after) if after.isdigit() and len(after) < 9 else None)
    finally:
        guard.cancel()
        connection.close()


def signature(message_id: str, stamp: str, body: bytes, secret: str) -> str:
    """Return the signature of a message, as Standard Webhooks has it."""
    key = base64.b64decode(secret.removeprefix(KEY_PREFIX))
    signed = hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"


def _headers(message_id: str, secret: str, body: bytes) -> dict[str, str]:
    stamp = str(int(time.time()))
    return {
        "Content-Type": "application/json",
        "User-Agent": f"Delineate/{code_version()}",
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": signature(message_id, stamp, body, secret),
    }


def _check(address: _Address, private: bool) -> None:
    if isinstance(address, ipaddress.IPv6Address):
        # Forms that lead to an IPv4 address.
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1] or _translated(address)
        if inner is not None:
            _check(inner, private)
    if not private and (not address.is_global or address.is_multicast or address.is_reserved):
        raise Forbidden("the address leads into a private network, which WEBHOOK_PRIVATE_NETWORKS has to allow")


def _translated(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    is_nat64 = address in ipaddress.ip_network("64:ff9b::/96")
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if is_nat64 else None


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was looked up and checked once, whatever its name leads to a moment later."""

    def __init__(self, host: str, port: int, *, private: bool, secure: bool) -> None:
        super().__init__(host, port, timeout=TIMEOUT_SECONDS)
        self._private = private
        self._secure = secure

    def connect(self) -> None:
        """Look up the name, check what it leads to, and connect there and nowhere else."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise OSError("the name cannot be looked up") from error
        addresses = [str(each[4][0]).partition("%")[0] for each in found]
        for address in addresses:
            _check(ipaddress.ip_address(address), self._private)
        plain = socket.create_connection((addresses[0], self.port), TIMEOUT_SECONDS)
        self.sock = plain
        if self._secure:
            self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)

    def cut(self) -> None:
        """End the connection under whoever waits for it."""
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
