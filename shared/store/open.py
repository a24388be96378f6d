"""The one place where a URL becomes a store.

s3://bucket[/prefix]    `shared.store.s3`            any S3 endpoint: AWS, MinIO, SeaweedFS …
file:///absolute/path   `shared.store.local_folder`  the embedded stack
memory://name           `shared.store.memory`        tests
"""

from urllib.parse import unquote, urlsplit

from shared.errors import ConfigurationError
from shared.store.object_store import ObjectStore, checked_key
from shared.store.s3_options import S3Options

_AWS = S3Options()


def open_store(url: str, s3: S3Options = _AWS) -> ObjectStore:
    """Return the store that `url` names, without any round trip: its `check` tells whether it works.

    Args:
        url: see above; it holds no credentials.
        s3: how the endpoint of an `s3://` URL is reached; nothing else looks at it.

    Raises:
        ConfigurationError: a URL, or a combination of options, that cannot work.
    """
    # A backend is imported where it is opened: boto3 costs a quarter of a second, and most parts need one backend.
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.query or parts.fragment or "@" in (parts.netloc if parts.scheme == "file" else url):
        raise ConfigurationError("STORE_URL takes no user, query or fragment; credentials have their own settings")
    for setting, address in {"S3_ENDPOINT_URL": s3.endpoint_url, "S3_PUBLIC_URL": s3.public_url}.items():
        if "@" in (address or ""):
            raise ConfigurationError(f"{setting} takes no user and password; credentials have their own settings")
    if parts.scheme == "s3" and parts.netloc:
        from shared.store.s3 import S3Store

        prefix = path.strip("/")
        if prefix:
            checked_key(prefix)
        return S3Store(parts.netloc, prefix, s3)
    if parts.scheme == "file" and not parts.netloc and path not in ("", "/"):
        from shared.store.local_folder import LocalFolderStore

        return LocalFolderStore(path)
    if parts.scheme == "memory" and parts.netloc and not path:
        from shared.store.memory import MemoryStore

        return MemoryStore.named(parts.netloc)
    raise ConfigurationError(f"STORE_URL is {url!r}: write s3://bucket, s3://bucket/prefix or file:///absolute/path")
