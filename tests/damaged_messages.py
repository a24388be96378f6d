"""Messages that no worker may end or stall by, as they would stand in Redis."""

import bz2
import json
import lzma
import zlib
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from shared.db.tables.base import new_id
from shared.queue.envelope import PROCESS_SHARD
from shared.queue.messages import ShardMessage

_BOMB = b"[" + b" " * 32 * 2**20


def envelope(message: ShardMessage) -> dict[str, Any]:
    """Return what Celery writes around a hint."""
    task_id = new_id()
    return {
        "body": b64encode(json.dumps([[message.encode()], {}, {"callbacks": None}]).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": PROCESS_SHARD, "id": task_id, "root_id": task_id, "retries": 0},
        "properties": {
            "correlation_id": task_id,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "delineate.shards"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": new_id(),
        },
    }


def _changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    sent = envelope(ShardMessage(job=new_id(), shard=new_id()))
    change(sent)
    return json.dumps(sent).encode()


def _set(name: str, value: Any) -> bytes:
    return _changed(lambda sent: sent.update({name: value}))


def _bomb(compress: Callable[[bytes], bytes], kind: str) -> bytes:
    def change(sent: dict[str, Any]) -> None:
        sent["body"] = b64encode(compress(_BOMB)).decode()
        sent["headers"]["compression"] = kind

    return _changed(change)


DAMAGED: dict[str, bytes] = {
    "text": b"x",
    "nothing": b"",
    "no utf-8": b"\xff\xfe",
    "half of one": _set("body", "x")[:100],
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "an empty object": b"{}",
    "a nest": b"[" * 100_000,
    "kombu's own types": b'{"__type__": "uuid", "__value__": 5}',
    "unknown types": b'{"__type__": "x", "__value__": []}',
    "other types everywhere": b'{"body":"x","headers":1,"properties":1}',
    "no headers": _changed(lambda sent: sent.pop("headers")),
    "headers of another type": _set("headers", []),
    "no properties, no task": _changed(lambda sent: (sent.pop("properties"), sent["headers"].pop("task"))),
    "another task": _changed(lambda sent: sent["headers"].update(task="celery.backend_cleanup")),
    "a task of another type": _changed(lambda sent: sent["headers"].update(task=["x"])),
    "no id": _changed(lambda sent: sent["headers"].pop("id")),
    "a body of another type": _set("body", {"a": 1}),
    "a body that is no base64": _set("body", "%%%"),
    "a body that is no JSON": _set("body", b64encode(b"\x80\x04.").decode()),
    "a body of other arguments": _set("body", b64encode(b"[[1, 2], {}, {}]").decode()),
    "a body of no arguments": _set("body", b64encode(b"[[], {}, {}]").decode()),
    "raw data": _set("content-type", "application/data"),
    "raw data, redelivered": _changed(
        lambda sent: (sent.update({"content-type": "application/data"}), sent["headers"].update(redelivered=True))
    ),
    "a pickle": _set("content-type", "application/x-python-serialize"),
    "yaml": _set("content-type", "application/x-yaml"),
    "a content type of another type": _set("content-type", 5),
    "bz2": _bomb(bz2.compress, "application/x-bz2"),
    "zlib": _bomb(zlib.compress, "application/x-gzip"),
    "lzma": _bomb(lambda data: lzma.compress(data, preset=0), "application/x-lzma"),
}
