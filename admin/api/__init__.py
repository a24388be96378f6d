"""The HTTP API under `/api/v1`, described by the document that it serves itself.

Every request shows a token (`admin.domain.tokens`); errors are problem details (RFC 9457).
"""

from admin.api import (
    bulk,
    document,
    events,
    interactive,
    items,
    jobs,
    models,
    prefixes,
    reviews,
    submissions,
    webhooks,
    workers,
)
from admin.api.operations import blueprint

__all__ = [
    "blueprint",
    "bulk",
    "document",
    "events",
    "interactive",
    "items",
    "jobs",
    "models",
    "prefixes",
    "reviews",
    "submissions",
    "webhooks",
    "workers",
]
