"""Object storage: bytes under keys, in S3, in a local folder or in memory.

`keys` builds and parses every key; `open_store` opens the store that a URL names. boto3 is imported only
when an S3 store is opened, so that parts that run on a local folder start fast.
"""

from shared.store.object_store import ObjectInfo, ObjectStore
from shared.store.open import open_store
from shared.store.s3_options import S3Options

__all__ = ["ObjectInfo", "ObjectStore", "S3Options", "open_store"]
