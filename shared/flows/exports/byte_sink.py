"""A file that can only be written, and emptied: what writers of formats put into it leaves a few blocks at a time."""

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class ByteSink(io.RawIOBase):
    """Holds what was written since it was last emptied."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[bytes] = []
        self.size = 0  # bytes

    def writable(self) -> bool:
        """Whether it can be written: always."""
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        """Keep the bytes."""
        self._blocks.append(block := bytes(data))
        self.size += len(block)
        return len(block)

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        blocks, self._blocks, self.size = self._blocks, [], 0
        return b"".join(blocks)
