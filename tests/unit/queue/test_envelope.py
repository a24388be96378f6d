import json
from base64 import b64decode, b64encode
from typing import Any

import pytest

from shared.db.tables.base import new_id
from shared.errors import MessageError
from shared.queue.envelope import PROCESS_SHARD, rewritten
from shared.queue.messages import ShardMessage
from tests.damaged_messages import DAMAGED, envelope


def test_a_hint_goes_on_and_nothing_else_of_its_envelope() -> None:
    message = ShardMessage(job=new_id(), shard=new_id())
    sent = envelope(message)
    sent["headers"] |= {"compression": "application/x-bz2", "eta": "yesterday", "timelimit": "x", "argsrepr": "secret"}
    sent["properties"] = "x"
    found = rewritten(sent)
    assert json.loads(b64decode(found["body"]))[0] == [message.encode()]
    assert found["headers"]["task"] == PROCESS_SHARD
    assert found["headers"]["id"] == sent["headers"]["id"]
    assert "compression" not in found["headers"]
    assert found["headers"]["eta"] is None
    assert "secret" not in json.dumps(found)


def parsed() -> dict[str, Any]:
    found = {}
    for name, text in DAMAGED.items():
        try:
            found[name] = json.loads(text)
        except (ValueError, RecursionError):
            continue  # which the transport drops before
    return found


@pytest.mark.parametrize("name", parsed())
def test_what_is_no_hint_is_one_error_of_one_short_line(name: str) -> None:
    with pytest.raises(MessageError) as caught:
        rewritten(parsed()[name])
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_a_body_may_be_no_larger_than_hints_are() -> None:
    sent = envelope(ShardMessage(job=new_id(), shard=new_id()))
    sent["body"] = b64encode(b" " * 100_000 + b64decode(sent["body"])).decode()
    with pytest.raises(MessageError):
        rewritten(sent)
