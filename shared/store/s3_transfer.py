"""PUT and GET of whole objects by obstore (object_store, in Rust): a fifth of boto3's CPU time, and not under the lock.

One attempt each. Whatever goes wrong is raised as `TransferFailed` and asked again by `shared.store.s3` through the
SDK, whose errors, retries and advice are those of every other request. So obstore decides nothing but the speed.

What the SDK takes from its surroundings holds here too: address, proxy, region, credentials (its chain: profile,
container, instance, with their renewal) and the certificates that it trusts. obstore reads variables of its own accord;
each one that would change where requests go or how they are signed is set here.

Safe to use from many threads. obstore runs threads of its own, which a fork does not carry over: open a store after
a fork, never before.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import obstore
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.httpsession import get_cert_path
from obstore.store import S3Store

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import ClientConfig, S3Credential

T = TypeVar("T")

# obstore's limit on waiting holds for sending a whole body too, the SDK's for each piece of it.
MAX_PUT_BYTES = 16 * 2**20
_COLLECTED_BYTES = 8 * 2**20  # a larger object is taken piece by piece, so that it is in memory once
_NO_LIMIT = timedelta(days=1)  # on a whole request: a large object on a slow line is no failure
# Shorter than servers and load balancers keep an idle connection, which they then close without a word.
_IDLE_CONNECTION = timedelta(seconds=15)
# botocore renews credentials ten minutes before they end, so what it hands out holds for as long.
_CREDENTIALS_HOLD = timedelta(minutes=10)

# A server that the SDK can talk to and obstore cannot (it leaves out a header, say) is left to the SDK for a while.
_FAILURES_BEFORE_REST = 8
_REST_SECONDS = 300.0


class TransferFailed(Exception):
    """Failure of obstore; `retryable` if trying again after a pause may help, unlike after a refusal."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
        self.retryable = not isinstance(
            error,
            FileNotFoundError | obstore.exceptions.PermissionDeniedError | obstore.exceptions.UnauthenticatedError,
        )


class Transfer:
    """Transfer of single objects of one bucket, by their full names.

    Args:
        endpoint_url, region, credentials: as the SDK has resolved them.
        ca_bundle: file of the certificates to trust; None: those that come with the SDK.
        proxy: address of the proxy to go through; None: none, whatever the environment says.
        max_connections: idle connections that are kept open.
        connect_timeout, read_timeout: seconds; the latter without a single byte.
    """

    def __init__(
        self,
        *,
        bucket: str,
        endpoint_url: str,
        region: str,
        credentials: Credentials,
        ca_bundle: str | None,
        proxy: str | None,
        max_connections: int,
        connect_timeout: float,
        read_timeout: float,
    ) -> None:
        encrypted = endpoint_url.startswith("https:")
        options: ClientConfig = {
            "allow_http": not encrypted,
            "connect_timeout": timedelta(seconds=connect_timeout),
            "read_timeout": timedelta(seconds=read_timeout),
            "timeout": _NO_LIMIT,
            "pool_max_idle_per_host": str(max_connections),
            "pool_idle_timeout": _IDLE_CONNECTION,
            **_proxy_options(endpoint_url, proxy),
        }
        if encrypted:
            options["root_certificate"] = Path(ca_bundle or get_cert_path(True) or "").read_bytes()
        self._store = S3Store(
            bucket,
            endpoint=endpoint_url,
            aws_endpoint_url_s3=endpoint_url,
            region=region,
            virtual_hosted_style_request=False,
            skip_signature=False,
            s3_express=False,
            unsigned_payload=encrypted,  # as the SDK: TLS guards the body already
            client_options=options,
            retry_config={"max_retries": 0},
            credential_provider=lambda: _frozen(credentials),
        )
        self._lock = threading.Lock()
        self._failures = 0
        self._rests_until = 0.0

    @property
    def rests(self) -> bool:
        """Whether it failed so often where the SDK succeeded that it is left alone for a while."""
        return self._rests_until > time.monotonic()

    def put(self, name: str, data: bytes, content_type: str) -> None:
        """Write an object in one request."""
        self._attempt(
            lambda: obstore.put(self._store, name, data, attributes={"Content-Type": content_type}, use_multipart=False)
        )

    def get(self, name: str) -> bytes:
        """Read all bytes of an object."""
        return self._attempt(lambda: _whole(obstore.get(self._store, name)))

    def get_if(self, name: str, etag: str) -> bytes | None:
        """Read all bytes of an object that has this ETag, without quotation marks; None of another one."""

        def read() -> bytes | None:
            answer = obstore.get(self._store, name)
            return _whole(answer) if (answer.meta["e_tag"] or "").strip('"') == etag else None

        return self._attempt(read)

    def outdone(self) -> bool:
        """Take note that the SDK succeeded where this had just failed; True if it rests from now on."""
        with self._lock:
            self._failures += 1
            if self._failures < _FAILURES_BEFORE_REST:
                return False
            self._failures = 0
            self._rests_until = time.monotonic() + _REST_SECONDS
            return True

    def _attempt(self, request: Callable[[], T]) -> T:
        try:
            answer = request()
        except Exception as error:  # obstore promises no common ancestor of its errors
            raise TransferFailed(error) from error
        self._failures = 0
        return answer


def _whole(answer: "GetResult") -> bytes:
    if answer.meta["size"] <= _COLLECTED_BYTES:
        return bytes(answer.bytes())
    whole = BytesIO()
    for piece in answer.stream(min_chunk_size=2**20):
        whole.write(piece)
    return whole.getvalue()


def _proxy_options(endpoint_url: str, proxy: str | None) -> "ClientConfig":
    if proxy:
        return {"proxy_url": proxy}
    # Without a word obstore would take a proxy from the environment. One that its only server is exempt from is none.
    return {"proxy_url": "http://127.0.0.1:9", "proxy_excludes": urlsplit(endpoint_url).hostname or "*"}


def _frozen(credentials: Credentials) -> "S3Credential":
    current = credentials.get_frozen_credentials()
    is_renewed = isinstance(credentials, RefreshableCredentials)
    return {
        "access_key_id": current.access_key or "",
        "secret_access_key": current.secret_key or "",
        "token": current.token,
        "expires_at": datetime.now(UTC) + _CREDENTIALS_HOLD if is_renewed else None,
    }
