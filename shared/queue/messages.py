"""THE task contract: what stands in a message of the queue.

A message is a hint that a shard may have work. It carries ids and nothing else: all that is true stands in SQL, so
a message that is lost, late, doubled or out of order does no harm.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from shared.errors import MessageError

VERSION = 1

_HEX = "[0-9a-f]"
Id = Annotated[str, StringConstraints(pattern=f"^{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}$")]


class ShardMessage(BaseModel):
    """A hint: shard `shard` of job `job` may have work."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    job: Id
    shard: Id

    def encode(self) -> dict[str, Any]:
        """Return the JSON object that travels."""
        return self.model_dump(mode="json")


def decode(message: object) -> ShardMessage:
    """Read a message.

    Raises:
        MessageError: it does not follow the contract; the validator's own error is chained.
    """
    try:
        return ShardMessage.model_validate(message)
    except ValidationError as error:
        raise MessageError(f"a message breaks the contract of version {VERSION}: {error.errors()[0]['msg']}") from error
