"""The clients that an S3 store talks through: the SDK (boto3) for everything, and a faster way for whole objects.

`request` tries the faster way first, once. What fails there is asked again with the SDK, so that attempts, pauses and
errors are the SDK's, whatever has gone wrong.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError
from obstore.exceptions import BaseError

from shared.errors import ConfigurationError
from shared.store.s3_options import S3Options
from shared.store.s3_proxies import proxies_of, proxy_of
from shared.store.s3_transfer import Transfer, TransferFailed

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

log = logging.getLogger(__name__)

T = TypeVar("T")

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30  # without a single byte, not for the whole object
MAX_ATTEMPTS = 3  # per request, the first one included, with the SDK's jittered back-off between them
MAX_FIRST_PAUSE_S = 1.0  # before the second attempt, as the SDK's

DEFAULT_REGION = "us-east-1"


class Clients:
    """The clients of one store, shared by all its threads.

    Raises:
        ConfigurationError: half a pair of keys, an address that is none, or a profile that is not there.
    """

    def __init__(self, bucket: str, options: S3Options) -> None:
        access_key, secret_key = options.access_key, options.secret_key
        if bool(access_key) != bool(secret_key):
            raise ConfigurationError("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY together, or neither")
        core, session, region = _session(options)
        keys = _credentials(core, options)

        def client(setting: str, address: str | None, attempts: int = MAX_ATTEMPTS) -> "S3Client":
            try:
                return session.client(
                    "s3",
                    endpoint_url=address,
                    region_name=region,
                    aws_access_key_id=access_key or None,
                    aws_secret_access_key=secret_key or None,
                    aws_session_token=(options.session_token or None) if access_key else None,
                    config=_config(attempts, options.max_connections, address),
                )
            except (BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is no URL
                raise ConfigurationError(
                    f"cannot use {setting} {address!r} with AWS_REGION {region!r}: {error}"
                ) from error

        def second() -> "S3Client":
            return client("S3_ENDPOINT_URL", options.endpoint_url, MAX_ATTEMPTS - 1)

        self.sdk = client("S3_ENDPOINT_URL", options.endpoint_url)
        # Links are signed for the address that they name, so a client of its own signs them.
        self.signer = client("S3_PUBLIC_URL", options.public_url) if options.public_url else None
        self._make_second = second
        self._second: S3Client | None = None
        self._lock = threading.Lock()
        self._thread = threading.local()
        # Without any keys the SDK says so at the first request.
        self._transfer = None if keys is None else self._open_transfer(core, bucket, keys, options.max_connections)

    def request(self, first: Callable[[Transfer], T], again: "Callable[[S3Client], T]") -> T:
        """Return the answer to one attempt the faster way, or else to the SDK's attempts, which make up the number."""
        transfer = self._transfer
        if transfer is None or transfer.rests or getattr(self._thread, "sdk_alone", False):
            return again(self.sdk)
        try:
            return first(transfer)
        except TransferFailed as error:
            failed = error
        if failed.retryable:
            time.sleep(random.uniform(0, MAX_FIRST_PAUSE_S))  # noqa: S311  # no secret
        answer = again(self._second_client())
        log.debug("asked again: %s", failed, extra={"action": "store_asked_again"})
        if transfer.outdone():
            log.warning("the store is used the slow way for a while: %s", failed, extra={"action": "store_slow"})
        return answer

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Use the SDK alone in this thread: Ctrl-C ends its requests at once, the faster way's not before they end."""
        self._thread.sdk_alone = True
        try:
            yield
        finally:
            self._thread.sdk_alone = False

    def close(self) -> None:
        """Close the pooled connections."""
        self.sdk.close()
        if self.signer is not None:
            self.signer.close()
        if self._second is not None:
            self._second.close()

    def _second_client(self) -> "S3Client":
        """Return the SDK's client for what was tried once already; most processes never need it."""
        with self._lock:
            if self._second is None:
                self._second = self._make_second()
            return self._second

    def _open_transfer(
        self, core: botocore.session.Session, bucket: str, credentials: Credentials, max_connections: int
    ) -> Transfer | None:
        endpoint_url = self.sdk.meta.endpoint_url
        try:
            return Transfer(
                bucket=bucket,
                endpoint_url=endpoint_url,
                region=self.sdk.meta.region_name,
                credentials=credentials,
                ca_bundle=core.get_config_variable("ca_bundle"),
                proxy=proxy_of(endpoint_url),
                max_connections=max_connections,
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
            )
        except (OSError, ValueError, BaseError) as error:  # a bundle that is no file, say: the SDK's words are better
            log.warning("the store is used the slow way: %s", error, extra={"action": "store_slow"})
            return None


def _session(options: S3Options) -> tuple[botocore.session.Session, boto3.session.Session, str]:
    """Return the SDK's session, boto3's face of it, and the region: the settings', the environment's, the profile's."""
    # A session of its own: boto3's default session is not safe to create from several threads.
    core = botocore.session.Session(profile=options.profile or None)
    try:
        region = options.region or core.get_config_variable("region") or DEFAULT_REGION
        return core, boto3.session.Session(botocore_session=core), region
    except BotoCoreError as error:  # a profile that is not there, a file that cannot be read
        raise ConfigurationError(f"cannot use AWS's configuration: {error}; check AWS_PROFILE") from error


def _credentials(core: botocore.session.Session, options: S3Options) -> Credentials | None:
    if options.access_key and options.secret_key:
        return Credentials(options.access_key, options.secret_key, options.session_token or None)
    try:
        return core.get_credentials()
    except BotoCoreError as error:  # half a profile, a role that is not granted
        raise ConfigurationError(
            f"no credentials for S3: {error}; check AWS_PROFILE, or set AWS_ACCESS_KEY_ID"
        ) from error


def _config(attempts: int, max_connections: int, address: str | None) -> Config:
    return Config(
        proxies=None if address is None else proxies_of(address),  # None: those of the environment
        signature_version="s3v4",
        # bucket.host needs a DNS name for every bucket, which self-hosted endpoints rarely have
        s3={"addressing_style": "path"},
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=max_connections,
        tcp_keepalive=True,
        # the SDK's default adds checksum trailers that many S3 servers do not know
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
