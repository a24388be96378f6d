import json

import pytest

from shared.db.tables.base import new_id
from shared.errors import MessageError
from shared.queue.messages import ShardMessage, decode


def test_a_message_survives_the_wire() -> None:
    message = ShardMessage(job=new_id(), shard=new_id())
    encoded = json.loads(json.dumps(message.encode()))
    assert set(encoded) == {"version", "job", "shard"}
    assert decode(encoded) == message


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"shard": "../../etc/passwd"},
        {"job": None},
        {"job": "01890000-0000-7000-8000-000000000000\n"},
        {"extra": 1},
    ],
)
def test_what_breaks_the_contract_is_one_error_with_its_cause(change: dict[str, object]) -> None:
    good = ShardMessage(job=new_id(), shard=new_id()).encode()
    with pytest.raises(MessageError) as caught:
        decode(good | change)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("message", [None, [], "text", 7, {}])
def test_what_is_no_message_at_all(message: object) -> None:
    with pytest.raises(MessageError):
        decode(message)
