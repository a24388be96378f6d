"""Every error that Delineate raises on purpose.

DelineateError                  one line that says what to do next; a traceback never reaches a user
├── Retryable                   the world is away: try again later, no attempt is used up
│   ├── BrokerUnavailable       Redis does not answer
│   │   └── BrokerFull          … or has no room for more
│   ├── StoreUnavailable        the object store does not answer, or answers with a server error
│   │   └── StoreFull           … or has no room for more
│   ├── DatabaseUnavailable     the SQL database does not answer
│   │   └── DatabaseFull        … or has no room for more
│   ├── DecoderUnavailable      no process for decoding images can be started
│   ├── Busy                    the admin has as much of a slow kind in work as it takes at once
│   ├── ImageOutOfMemory        an image did not fit in the worker's memory: try it alone
│   │   └── ImageOutOfDisk      … or in its folder for temporary files
│   ├── DeviceOutOfMemory       the batch was too large for the device: use a smaller one
│   └── DeviceFailed            the device is lost to this process: start a new one
└── Permanent                   trying again gives the same answer
    ├── UsageError              a wrong argument, folder, job id or setting
    │   └── Outrun              another process that submits the same was faster
    ├── ConfigurationError      a setting that cannot work (address, credentials, bucket, device)
    ├── CheckpointError         the weights cannot be used: an HTML page, a pointer, a pickle, truncated …
    ├── MessageError            a task message that does not follow the contract
    ├── ObjectMissing           the object store has no object under this key
    │   └── SourceGone          … or a user's own object is not what was submitted, or may not be read
    ├── JobNotFound             no job has this id
    ├── IllegalTransition       a state change that the transition table does not have
    └── ItemError               one input that cannot be processed; carries a stable `code`
        └── ImageError          … because its bytes are not a usable image
"""

from enum import StrEnum
from typing import ClassVar


class DelineateError(Exception):
    """Base of every error that Delineate raises on purpose; `str(error)` is one line for the user."""


class Retryable(DelineateError):
    """Something outside is away; the same work can succeed later.

    `str(error)` may name addresses and folders and is for operators; `public_line()` says the same to anybody.
    """

    part: ClassVar[str] = "a service"  # what does not work
    condition: ClassVar[str] = "is away. Nothing is lost; try again in a moment."  # and what to do about it

    @classmethod
    def public_line(cls) -> str:
        """Return what is the matter and what to do next, without any address."""
        return f"{cls.part[0].upper()}{cls.part[1:]} {cls.condition}"


_FULL = "has no room. Nothing is lost; free some space there, and work goes on by itself."


class BrokerUnavailable(Retryable):
    """Redis does not answer."""

    part = "the queue"


class BrokerFull(BrokerUnavailable):
    """Redis has no room. Work goes on once there is some."""

    condition = _FULL


class StoreUnavailable(Retryable):
    """The object store does not answer, or answers with a server error."""

    part = "the object store"


class StoreFull(StoreUnavailable):
    """The object store has no room: the disk is full, or a quota is used up. Work goes on once there is some."""

    condition = _FULL


class DatabaseUnavailable(Retryable):
    """The SQL database does not answer."""

    part = "the database"


class DatabaseFull(DatabaseUnavailable):
    """The SQL database has no room. Work goes on once there is some."""

    condition = _FULL


class DecoderUnavailable(Retryable):
    """No process for decoding images can be started."""

    part = "the image decoder"


class Busy(Retryable):
    """The admin has as much of a slow kind of request in work as it takes at once."""

    part = "the admin"
    condition = "has as much of this in work as it takes at once. Nothing is lost; try again in a moment."


class ImageOutOfMemory(Retryable):
    """An image did not fit in the worker's memory, beside what else was in it."""

    @property
    def lasting(self) -> "ItemError":
        """What the image fails with when it did not fit alone either, time and again."""
        advice = "too little memory, time and again: give the worker more, or lower BATCH_SIZE"
        return ItemError(ItemErrorCode.OUT_OF_MEMORY, advice)


class ImageOutOfDisk(ImageOutOfMemory):
    """A large image did not fit in the folder for temporary files."""

    @property
    def lasting(self) -> "ItemError":
        """What the image fails with when it did not fit alone either, time and again."""
        return ItemError(ItemErrorCode.OUT_OF_DISK, f"{self}, time and again: make room there")


class DeviceOutOfMemory(Retryable):
    """The batch did not fit in the device's memory."""


class DeviceFailed(Retryable):
    """The device answers no more calls of this process; only a new process can use it again, if any can."""

    part = "a worker's device"


class Permanent(DelineateError):
    """Trying again gives the same answer."""


class UsageError(Permanent):
    """A wrong argument: a missing folder, an unknown job, a value out of range."""


class Outrun(UsageError):
    """Another process that submits the same was faster; it has the job, or the images."""


class ConfigurationError(Permanent):
    """A setting that cannot work: a wrong address, key, bucket or device."""


class CheckpointError(Permanent):
    """The weights cannot be used."""


class MessageError(Permanent):
    """A task message does not follow the contract in `shared.queue.messages`."""


class ObjectMissing(Permanent):
    """The object store has no object under the key asked for."""


class JobNotFound(Permanent):
    """No job has the id asked for."""


class IllegalTransition(Permanent):
    """The transition table in `shared.jobs.state` has no such step."""


class ItemErrorCode(StrEnum):
    """Why an item failed. Stable: results.csv, the API and operators' scripts rely on these words."""

    # found while submitting
    UNREADABLE = "unreadable"  # the file cannot be opened or read
    SYMLINK_OUTSIDE = "symlink_outside"  # a symbolic link that leads out of the submitted folder
    NOT_A_FILE = "not_a_file"  # a socket, a device, a pipe
    BAD_NAME = "bad_name"  # the name is not valid UTF-8
    TOO_MANY_BYTES = "too_many_bytes"  # the file is larger than MAX_SOURCE_BYTES
    BAD_MANIFEST = "bad_manifest"  # the manifest's row cannot be used
    BAD_POINTS = "bad_points"  # the point table cannot be used
    CHANGED = "changed"  # the file was still being written
    BAD_TRUTH = "bad_truth"  # the mask that it was to be scored against cannot be used, or does not lie on it
    # found while decoding
    EMPTY_FILE = "empty_file"  # zero bytes
    NOT_AN_IMAGE = "not_an_image"  # the bytes are no image format known
    UNSUPPORTED_FORMAT = "unsupported_format"  # an image, but of a format or layout that is not read
    ANIMATED = "animated"  # several frames shown in time
    TRUNCATED = "truncated"  # the bytes end early or are damaged
    TOO_SMALL = "too_small"  # a side is under MIN_IMAGE_SIDE
    TOO_LARGE = "too_large"  # a side is over MAX_IMAGE_SIDE
    NO_SUCH_CHANNEL = "no_such_channel"  # the picture has not the channel that the job asks for
    NO_SUCH_PAGE = "no_such_page"  # the file has not the pages that were asked for
    NOT_FINITE = "not_finite"  # NaN or infinite intensities
    DECODE_TIMEOUT = "decode_timeout"  # it took longer than DECODE_SECONDS
    DECODE_MEMORY = "decode_memory"  # it needs more memory than the largest image accepted
    DECODER_CRASHED = "decoder_crashed"  # the process that decoded it died of it
    # found while processing
    MODEL_UNAVAILABLE = "model_unavailable"  # the job's model is gone from the object store, or damaged
    SOURCE_MISSING = "source_missing"  # the source is gone from the object store, or from its own bucket
    SOURCE_CHANGED = "source_changed"  # a source that is read where it lies has been changed since it was submitted
    RESULT_MISSING = "result_missing"  # objects of its result are gone, and its source too
    MASK_TOO_RAGGED = "mask_too_ragged"  # of a large image, whose job has something done to masks
    UNFAMILIAR = "unfamiliar"  # unlike anything that the model knows, and the job refuses such
    OUT_OF_MEMORY = "out_of_memory"  # the worker had too little memory for it, time and again
    OUT_OF_DISK = "out_of_disk"  # the worker's folder for temporary files was too small for it, time and again
    WORKER_CRASHED = "worker_crashed"  # the process died three times while it worked on this item
    INTERNAL = "internal"  # a defect of ours; the worker's log has the traceback


class SourceGone(ObjectMissing):
    """A user's own object, which an item refers to, is not what was submitted; `code` is why the item fails."""

    def __init__(self, code: ItemErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class ItemError(Permanent):
    """One input cannot be processed; its neighbours are not touched.

    `code` is stable and machine-readable; `str(error)` is the one-line reason.
    """

    def __init__(self, code: ItemErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class ImageError(ItemError):
    """The bytes are not a usable image."""
