"""What stands around a hint in Redis: Celery's envelope, read by ourselves before any library sees it.

Of what comes in, two ids and the message's own are taken; everything else that Celery gets is written anew here. So no
header, no encoding and no compression of a stranger's is ever followed.
"""

import json
from base64 import b64encode
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic.types import Base64Bytes

from shared.errors import MessageError
from shared.queue.messages import ShardMessage

QUEUE = "delineate.shards"
PROCESS_SHARD = "delineate.process_shard"

_MAX_BODY = 4096  # characters; ours have some 300


class _Headers(BaseModel):
    task: Literal["delineate.process_shard"]
    id: UUID


class _Envelope(BaseModel):
    body: Annotated[Base64Bytes, StringConstraints(max_length=_MAX_BODY)]
    content_type: Annotated[Literal["application/json"], Field(alias="content-type")]
    headers: _Headers


_BODY: TypeAdapter[tuple[tuple[ShardMessage], dict[str, Any], dict[str, Any]]] = TypeAdapter(
    tuple[tuple[ShardMessage], dict[str, Any], dict[str, Any]]
)


def rewritten(envelope: object) -> dict[str, Any]:
    """Return the envelope that Celery is to get for what came out of Redis.

    Raises:
        MessageError: it is no hint of ours, or damaged.
    """
    try:
        read = _Envelope.model_validate(envelope)
        (message,), _, _ = _BODY.validate_json(read.body)
    except (ValidationError, RecursionError) as error:
        raise MessageError(f"a message is no hint of ours: {_first(error)}") from error
    return _written(message, str(read.headers.id))


def _written(message: ShardMessage, task_id: str) -> dict[str, Any]:
    body = [[message.encode()], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    return {
        "body": b64encode(json.dumps(body).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": PROCESS_SHARD,
            "id": task_id,
            "root_id": task_id,
            "parent_id": None,
            "group": None,
            "eta": None,
            "expires": None,
            "retries": 0,
            "timelimit": [None, None],
            "argsrepr": f"({message.shard!r},)",
            "kwargsrepr": "{}",
            "ignore_result": True,
        },
        "properties": {
            "correlation_id": task_id,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": QUEUE},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid4()),
        },
    }


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "it nests too deeply"
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(part)[:40] for part in first['loc']) or 'it'}: {first['type']}"
