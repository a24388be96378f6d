"""An object store in an S3 bucket: AWS, MinIO, SeaweedFS or any other endpoint that speaks S3.

PUT and GET, of which every image needs some, go the faster way of `shared.store.s3_clients`; the SDK does the rest.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from shared.bounded_map import bounded_map
from shared.portable import attachment_names
from shared.store.object_store import (
    ObjectInfo,
    ObjectStore,
    checked_deletion_prefix,
    checked_folder,
    checked_key,
    checked_prefix,
    is_key,
)
from shared.store.s3_clients import DEFAULT_REGION, Clients
from shared.store.s3_errors import MISSING_BUCKET_CODES, Request, code_of, is_overload, translated
from shared.store.s3_options import S3Options
from shared.store.s3_proxies import proxy_variable
from shared.store.s3_transfer import MAX_PUT_BYTES

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import ObjectIdentifierTypeDef

log = logging.getLogger(__name__)

PAGE_SIZE = 1000  # objects; the most that S3 lists or deletes in one request

_SINGLE_DELETES = 8  # at a time


class S3Store(ObjectStore):
    """Objects in `bucket`, under `prefix` where one is given."""

    def __init__(self, bucket: str, prefix: str, options: S3Options) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._endpoint = options.endpoint_url or "AWS"
        self._clients = Clients(bucket, options)
        self._client = self._clients.sdk
        self._region = self._client.meta.region_name
        self._proxy = proxy_variable(self._client.meta.endpoint_url)
        self._deletes_in_bulk = True

    @property
    def url(self) -> str:
        """`s3://bucket` or `s3://bucket/prefix`."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Send one PUT; S3 replaces an object in one step."""
        name = self._name(key)

        def by_sdk(client: "S3Client") -> None:
            client.put_object(Bucket=self._bucket, Key=name, Body=data, ContentType=content_type)

        with self._failures("write", key):
            if len(data) > MAX_PUT_BYTES:
                by_sdk(self._client)
            else:
                self._clients.request(lambda transfer: transfer.put(name, data, content_type), by_sdk)

    def get(self, key: str) -> bytes:
        """Send one GET."""
        name = self._name(key)
        with self._failures("read", key):
            return self._clients.request(
                lambda transfer: transfer.get(name),
                lambda client: client.get_object(Bucket=self._bucket, Key=name)["Body"].read(),
            )

    def size(self, key: str) -> int | None:
        """Send one HEAD; return the size in bytes, or None. A missing bucket looks like a missing object here."""
        name = self._name(key)
        with self._failures("read", key):
            try:
                return self._client.head_object(Bucket=self._bucket, Key=name)["ContentLength"]
            except ClientError as error:
                if code_of(error) == "404":  # an answer to HEAD has no body that could say more
                    return None
                self._bucket_is_listed(error)  # raises with the reason, if that is of the bucket or the keys
                raise

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Ask for a page of 1,000 when the one before has been used up."""
        checked_prefix(prefix)
        return self._pages(prefix)

    def folders(self, prefix: str) -> Iterator[str]:
        """Send one LIST for 1,000 of them, whatever they hold."""
        return self._common_prefixes(checked_folder(prefix))

    def delete(self, keys: Iterable[str]) -> None:
        """Delete up to 1,000 objects a request, or one by one where the server cannot do that."""
        remaining = iter(keys)
        while page := list(islice(remaining, PAGE_SIZE)):
            names = [self._name(key) for key in page]
            with self._failures("delete", page[0]):
                if self._deletes_in_bulk:
                    self._delete_in_bulk(names)
                else:
                    self._delete_singly(names)

    def delete_prefix(self, prefix: str) -> int:
        """List and delete a page at a time, so that memory stays flat."""
        checked_deletion_prefix(prefix)
        found = self.list(prefix)
        deleted = 0
        while page := [info.key for info in islice(found, PAGE_SIZE)]:
            self.delete(page)
            deleted += len(page)
        return deleted

    def link(self, key: str, *, seconds: int, filename: str, content_type: str) -> str | None:
        """Sign a GET, where the server has an address for others."""
        name = self._name(key)
        signer = self._clients.signer
        if signer is None:
            return None
        with self._failures("sign", key):
            return signer.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": self._bucket,
                    "Key": name,
                    "ResponseContentType": content_type,
                    "ResponseContentDisposition": _attachment(filename),
                },
                ExpiresIn=seconds,
            )

    def check(self) -> None:
        """Check what every store checks, in a way that Ctrl-C ends at once."""
        with self._clients.interruptible():
            super().check()

    def prepare(self) -> None:
        """Create the bucket if it is not there."""
        with self._failures("create the bucket"):
            if self._bucket_exists():
                return
            try:
                if self._region != DEFAULT_REGION:  # the one whose name S3 does not accept here
                    self._client.create_bucket(
                        Bucket=self._bucket,
                        CreateBucketConfiguration={"LocationConstraint": self._region},  # type: ignore[typeddict-item]
                    )
                else:
                    self._client.create_bucket(Bucket=self._bucket)
            except ClientError:
                if not self._bucket_exists():  # another process may have created it just now
                    raise

    def close(self) -> None:
        """Close the pooled connections."""
        self._clients.close()

    def _delete_in_bulk(self, names: Sequence[str]) -> None:
        doomed: list[ObjectIdentifierTypeDef] = [{"Key": name} for name in names]
        try:
            answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": doomed, "Quiet": True})
        except ClientError as error:
            if is_overload(error):
                raise
            # Some servers want a checksum of another kind with this request alone, others do not know it at all.
            self._delete_singly(names)
            self._deletes_in_bulk = False
            log.warning(
                "the S3 server refuses to delete many objects at once (%s): they are deleted one by one",
                code_of(error),
                extra={"action": "store_deletes_singly"},
            )
            return
        for failure in answer.get("Errors", []):
            if failure.get("Code") != "NoSuchKey":
                raise ClientError({"Error": {"Code": failure.get("Code", "")}}, "DeleteObjects")

    def _delete_singly(self, names: Sequence[str]) -> None:
        def delete(name: str) -> None:
            self._client.delete_object(Bucket=self._bucket, Key=name)

        with ThreadPoolExecutor(_SINGLE_DELETES) as threads:
            for _ in bounded_map(delete, names, threads, ahead=2 * _SINGLE_DELETES):
                pass

    def _name(self, key: str) -> str:
        return self._prefix + checked_key(key)

    def _pages(self, prefix: str) -> Iterator[ObjectInfo]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix, PaginationConfig={"PageSize": PAGE_SIZE}
        )
        with self._failures("list", prefix):
            for page in pages:
                for entry in page.get("Contents", []):
                    key = entry["Key"].removeprefix(self._prefix)
                    if is_key(key):
                        yield ObjectInfo(key, entry["Size"])

    def _common_prefixes(self, prefix: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket,
            Prefix=self._prefix + prefix,
            Delimiter="/",
            PaginationConfig={"PageSize": PAGE_SIZE},
        )
        with self._failures("list", prefix):
            for page in pages:
                for entry in page.get("CommonPrefixes", []):
                    folder = entry["Prefix"].removeprefix(self._prefix)
                    if is_key(folder.removesuffix("/")):
                        yield folder

    def _bucket_exists(self) -> bool:
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            return self._bucket_is_listed(error)
        return True

    def _bucket_is_listed(self, head: ClientError) -> bool:
        """Ask again what HEAD was refused, in a way whose answer has a body with the reason."""
        if code_of(head) in MISSING_BUCKET_CODES:
            return False
        try:
            self._client.list_objects_v2(Bucket=self._bucket, MaxKeys=1)
        except ClientError as error:
            if code_of(error) in MISSING_BUCKET_CODES:
                return False
            raise
        return True

    @contextmanager
    def _failures(self, action: str, key: str = "") -> Iterator[None]:
        """Turn the SDK's errors into ours."""
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise translated(error, Request(action, key, self._bucket, self._endpoint, self._proxy)) from error


def _attachment(filename: str) -> str:
    names = attachment_names(filename)
    extended = f"; filename*={names['filename*']}" if "filename*" in names else ""
    return f'attachment; filename="{names["filename"]}"{extended}'
