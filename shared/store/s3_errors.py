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
_NOT_IMPLEMENTED = 501

_BAD_TOKEN = "the session token is not valid; check AWS_SESSION_TOKEN, or the AWS profile or role"  # noqa: S105
_EXPIRED_TOKEN = "the session token has expired; get new keys, or check the AWS profile or role"  # noqa: S105

# What the server says → what to do about it. Settings are named as in shared/config.py.
_ADVICE = {
    "InvalidAccessKeyId": "the access key is unknown; check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret does not belong to the access key; check AWS_SECRET_ACCESS_KEY",
    "InvalidToken": _BAD_TOKEN,
    "InvalidClientTokenId": _BAD_TOKEN,
    "TokenRefreshRequired": _EXPIRED_TOKEN,
    "ExpiredToken": _EXPIRED_TOKEN,
    "ExpiredTokenException": _EXPIRED_TOKEN,
    "AccessDenied": "the access key has no right to do this; check AWS_ACCESS_KEY_ID and the bucket's policy",
    "403": "the access key has no right to do this; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "NoSuchBucket": "there is no such bucket; create it, or check STORE_URL",
    "InvalidBucketName": "this is no bucket's name; check STORE_URL",
    "BucketAlreadyExists": "the bucket belongs to somebody else; choose another name in STORE_URL",
    "AuthorizationHeaderMalformed": "the bucket is in another region; check AWS_REGION",
    "PermanentRedirect": "the bucket is in another region; check AWS_REGION and S3_ENDPOINT_URL",
    "IllegalLocationConstraintException": "the endpoint is of another region; check AWS_REGION",
    "RequestTimeTooSkewed": "this machine's clock is wrong; set it",
    "NotImplemented": "the server does not know this request; check S3_ENDPOINT_URL",
    "501": "the server does not know this request; check S3_ENDPOINT_URL",
    "301": "the bucket is in another region; check AWS_REGION and S3_ENDPOINT_URL",
}
_NOT_S3 = "the address answers, but not as an S3 server does; check S3_ENDPOINT_URL"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it was asked, for the line that the user reads. `key` may be empty.

    `proxy` is the variable whose proxy it went through, if any.
    """

    action: str
    key: str
    bucket: str
    endpoint: str
    proxy: str | None = None

    def __str__(self) -> str:
        subject = f"{self.action} {self.key}".strip()
        return f"cannot {subject} in bucket {self.bucket} at {self.endpoint}"

    @property
    def past_proxy(self) -> str:
        """What else to look at where somebody else may have answered, or nobody: a proxy."""
        return (
            f"; asked through the proxy of {self.proxy}: to go past it, name the host in NO_PROXY" if self.proxy else ""
        )


def code_of(error: ClientError) -> str:
    """Return the S3 error code, `NoSuchKey` for one; the HTTP status where the answer had no body, `404` for one."""
    return error.response.get("Error", {}).get("Code", "")


def is_overload(error: ClientError) -> bool:
    """Whether the server failed for now, so that the same request may succeed later."""
    status = _status_of(error)
    return (status >= 500 and status != _NOT_IMPLEMENTED) or status == 429 or code_of(error) in _OVERLOADED_CODES


def translated(error: ClientError | BotoCoreError, request: Request) -> DelineateError:
    """Return the error of ours that says the same, with one line that says what to do."""
    if isinstance(error, ClientError):
        return _answered(error, request)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        advice = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        return ConfigurationError(f"{request}: no credentials; {advice}")
    if isinstance(error, SSLError):
        advice = f"check S3_ENDPOINT_URL{request.past_proxy}"
        return ConfigurationError(f"{request}: no trusted TLS connection ({error}); {advice}")
    if isinstance(error, ConnectionError | HTTPClientError | ResponseStreamingError):
        advice = f"is S3_ENDPOINT_URL right, and up?{request.past_proxy}"
        return StoreUnavailable(f"{request}: no answer ({type(error).__name__}); {advice}")
    return ConfigurationError(f"{request}: {error}")


def _answered(error: ClientError, request: Request) -> DelineateError:
    code = code_of(error)
    status = _status_of(error)
    if code == "NoSuchKey":
        return ObjectMissing(f"no object {request.key} in bucket {request.bucket} at {request.endpoint}")
    if status == _INSUFFICIENT_STORAGE or code in _FULL_CODES:
        return StoreFull(f"{request}: there is no room ({code or status}); free some, and work goes on by itself")
    # A code in digits stands for an answer whose body was no S3 error: some other web server's page, or a proxy's.
    is_foreign = code.isdigit() or not code
    past_proxy = request.past_proxy if is_foreign else ""
    if is_overload(error):
        return StoreUnavailable(f"{request}: the server is overloaded or failing ({code or status}){past_proxy}")
    advice = _ADVICE.get(code)
    if advice is None:
        advice = _NOT_S3 if is_foreign else "the request was refused"
    return ConfigurationError(f"{request}: {advice} ({code or status}){past_proxy}")


def _status_of(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
