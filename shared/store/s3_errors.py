"""Meaning of an error of the S3 SDK: try again, mend a setting, or there is no such object."""

from dataclasses import dataclass

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ResponseStreamingError,
    SSLError,
)

from shared.errors import ConfigurationError, DelineateError, ObjectMissing, StoreFull, StoreUnavailable

MISSING_BUCKET_CODES = frozenset({"NoSuchBucket", "404"})  # HEAD answers with the bare status

_OVERLOADED_CODES = frozenset(
    {
        "InternalError",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "TooManyRequestsException",
    }
)

# No room: the bucket's quota is used up, or the server's disks are full. In turn: Ceph and others, MinIO's quota,
# MinIO's disks, WebDAV's word that some gateways pass on.
_FULL_CODES = frozenset({"QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull", "InsufficientStorage"})
_INSUFFICIENT_STORAGE = 507

# What the server says → what to do about it. Settings are named as in shared/config.py.
_ADVICE = {
    "InvalidAccessKeyId": "the access key is unknown; check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret does not belong to the access key; check AWS_SECRET_ACCESS_KEY",
    "InvalidToken": "the session token is not valid; check the AWS profile or role",
    "ExpiredToken": "the session token has expired; check the AWS profile or role",
    "AccessDenied": "the access key has no right to do this; check AWS_ACCESS_KEY_ID and the bucket's policy",
    "403": "the access key has no right to do this; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "NoSuchBucket": "there is no such bucket; create it, or check STORE_URL",
    "InvalidBucketName": "this is no bucket's name; check STORE_URL",
    "BucketAlreadyExists": "the bucket belongs to somebody else; choose another name in STORE_URL",
    "AuthorizationHeaderMalformed": "the bucket is in another region; check AWS_REGION",
    "PermanentRedirect": "the bucket is in another region; check AWS_REGION and S3_ENDPOINT_URL",
    "IllegalLocationConstraintException": "the endpoint is of another region; check AWS_REGION",
    "RequestTimeTooSkewed": "this machine's clock is wrong; set it",
    "301": "the bucket is in another region; check AWS_REGION and S3_ENDPOINT_URL",
}
_NOT_S3 = "the address answers, but not as an S3 server does; check S3_ENDPOINT_URL"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it was asked, for the line that the user reads. `key` may be empty."""

    action: str
    key: str
    bucket: str
    endpoint: str

    def __str__(self) -> str:
        subject = f"{self.action} {self.key}".strip()
        return f"cannot {subject} in bucket {self.bucket} at {self.endpoint}"


def code_of(error: ClientError) -> str:
    """Return the S3 error code, `NoSuchKey` for one; the HTTP status where the answer had no body, `404` for one."""
    return error.response.get("Error", {}).get("Code", "")


def translated(error: ClientError | BotoCoreError, request: Request) -> DelineateError:
    """Return the error of ours that says the same, with one line that says what to do."""
    if isinstance(error, ClientError):
        return _answered(error, request)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return ConfigurationError(f"{request}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if isinstance(error, SSLError):
        return ConfigurationError(f"{request}: no trusted TLS connection ({error}); check S3_ENDPOINT_URL")
    if isinstance(error, ConnectionError | HTTPClientError | ResponseStreamingError):
        return StoreUnavailable(f"{request}: no answer ({type(error).__name__}); is S3_ENDPOINT_URL right, and up?")
    return ConfigurationError(f"{request}: {error}")


def _answered(error: ClientError, request: Request) -> DelineateError:
    code = code_of(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "NoSuchKey":
        return ObjectMissing(f"no object {request.key} in bucket {request.bucket} at {request.endpoint}")
    if status == _INSUFFICIENT_STORAGE or code in _FULL_CODES:
        return StoreFull(f"{request}: there is no room ({code or status}); free some, and work goes on by itself")
    if status >= 500 or status == 429 or code in _OVERLOADED_CODES:
        return StoreUnavailable(f"{request}: the server is overloaded or failing ({code or status})")
    advice = _ADVICE.get(code)
    if advice is None:
        # A code in digits stands for an answer whose body was no S3 error: some other web server's page.
        advice = _NOT_S3 if code.isdigit() or not code else "the request was refused"
    return ConfigurationError(f"{request}: {advice} ({code or status})")
