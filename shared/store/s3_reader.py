"""Reading a bucket that is not ours: its listing, and single objects as they were when they were listed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import DelineateError, ItemErrorCode, ObjectMissing, SourceGone, UsageError
from shared.store.references import Listed, ListedPage, Reference
from shared.store.s3_clients import Clients
from shared.store.s3_errors import Request, code_of, translated
from shared.store.s3_options import S3Options
from shared.store.s3_proxies import proxy_variable

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import ListObjectsV2RequestTypeDef

_PAGE_OBJECTS = 1000  # the most that S3 lists in one request
_NANO = 1_000_000_000
# Answers that are about one object or bucket: others of a job may do.
_REFUSED = frozenset({"AccessDenied", "403", "AllAccessDisabled", "InvalidObjectState", "NoSuchBucket"})
_NO_PLACE = frozenset({"InvalidArgument", "InvalidToken", "InvalidContinuationToken"})


class S3Reader:
    """A bucket of somebody's. Safe in threads."""

    def __init__(self, bucket: str, options: S3Options) -> None:
        self._bucket = bucket
        self._endpoint = options.endpoint_url or "AWS"
        self._clients = Clients(bucket, options)
        self._proxy = proxy_variable(self._clients.sdk.meta.endpoint_url)

    def page(self, beginning: str, *, recursive: bool, following: str | None) -> ListedPage:
        """List a page of the objects whose keys begin so; see `SourceBuckets.page`."""
        asked: ListObjectsV2RequestTypeDef = {"Bucket": self._bucket, "Prefix": beginning, "MaxKeys": _PAGE_OBJECTS}
        if not recursive:
            asked["Delimiter"] = "/"
        if following is not None:
            asked["ContinuationToken"] = following
        with self._failures("list", beginning, "s3:ListBucket"):
            answer = self._clients.sdk.list_objects_v2(**asked)
        objects = [
            Listed(
                Reference(self._bucket, entry["Key"], _bare(entry["ETag"])),
                entry["Size"],
                int(entry["LastModified"].timestamp()) * _NANO,
            )
            for entry in answer.get("Contents", [])
        ]
        return ListedPage(objects, len(answer.get("CommonPrefixes", [])), answer.get("NextContinuationToken"))

    def read(self, reference: Reference) -> bytes:
        """Send one GET, and read its body where that is the object referred to; see `SourceBuckets.read`."""

        def by_sdk(client: "S3Client") -> bytes | None:
            answer = client.get_object(Bucket=self._bucket, Key=reference.key)
            with answer["Body"] as body:
                return body.read() if _bare(answer["ETag"]) == reference.etag else None

        with _alone(reference), self._failures("read", reference.key, "s3:GetObject"):
            data = self._clients.request(lambda transfer: transfer.get_if(reference.key, reference.etag), by_sdk)
        if data is None:
            reason = f"{reference.address} is another object than was submitted: submit it again"
            raise SourceGone(ItemErrorCode.SOURCE_CHANGED, reason)
        return data

    def size(self, reference: Reference) -> int | None:
        """Send one HEAD; see `SourceBuckets.size`."""
        with _alone(reference), self._failures("read", reference.key, "s3:GetObject"):
            found = self._clients.sdk.head_object(Bucket=self._bucket, Key=reference.key)
        return found["ContentLength"] if _bare(found["ETag"]) == reference.etag else None

    def close(self) -> None:
        """Close the pooled connections."""
        self._clients.close()

    @contextmanager
    def _failures(self, action: str, key: str, right: str) -> Iterator[None]:
        """Turn the SDK's errors into ours; `right` is what the stack's keys need."""
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise self._translated(error, action, key, right) from error

    def _translated(self, error: ClientError | BotoCoreError, action: str, key: str, right: str) -> DelineateError:
        code = code_of(error) if isinstance(error, ClientError) else ""
        where = f"s3://{self._bucket}/{key}"
        if code == "404":  # an answer to HEAD has no body that could say more
            return ObjectMissing(f"no object {where}")
        if code in _REFUSED:
            advice = f"is there such a bucket, and have the stack's S3 keys the right {right} in it?"
            return UsageError(f"cannot {action} {where} ({code}): {advice}")
        if code in _NO_PLACE and action == "list":
            return UsageError(f"the place from which to go on is none of the list of {where}: begin anew")
        return translated(error, Request(action, key, self._bucket, self._endpoint, self._proxy))


@contextmanager
def _alone(reference: Reference) -> Iterator[None]:
    """Turn what is about this object into its own failure."""
    try:
        yield
    except ObjectMissing as error:
        raise SourceGone(ItemErrorCode.SOURCE_MISSING, f"{reference.address} is not there any more") from error
    except UsageError as error:
        raise SourceGone(ItemErrorCode.UNREADABLE, str(error)) from error


def _bare(etag: str) -> str:
    return etag.strip('"')
