"""Options of an S3 endpoint, apart from the store itself, so that settings are read without loading an SDK."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class S3Options:
    """Options that an `s3://` store needs besides its URL.

    No endpoint means AWS; no keys mean the AWS SDK's own chain (profile, container role, instance role), and no region
    that of AWS_DEFAULT_REGION or of the profile.
    """

    endpoint_url: str | None = None
    public_url: str | None = None  # the same server's address for others; with it `link` gives links
    region: str | None = None
    profile: str | None = None  # of the SDK's configuration files; None: AWS_PROFILE, or the default one
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)  # of temporary keys
    max_connections: int = 32  # kept open; more threads than this wait for one another
