"""What a decoder may not do, tried from inside of one; and that it needs none of it."""

import pickle
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import pytest

from shared import confinement
from shared.errors import ImageError
from shared.images.codec import DecodeLimits, decode, encode_grey
from shared.images.isolated import Decoders
from tests.corpus.damage import BAD_BYTES
from tests.corpus.encodings import ENCODINGS
from tests.corpus.scenes import picture
from tests.fuzz import campaign
from tests.unit.images import prying_decoder as prying

LIMITS = DecodeLimits(min_side=16, max_side=4096)
IMAGE = encode_grey(picture(40, 20, seed=1))

needs_linux = pytest.mark.skipif(bool(confinement.missing()), reason="this kernel confines by less")


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    made = Decoders(LIMITS, seconds=120, processes=1, module=prying.__name__)
    yield made
    made.close()


@needs_linux
def test_from_inside_of_a_decoder_all_is_refused_that_decoding_does_not_need(decoders: Decoders) -> None:
    assert decoders.decode(IMAGE).note == "all refused"


@needs_linux
def test_the_same_attempts_work_outside() -> None:
    """Otherwise the other test would prove nothing."""
    code = (
        "from tests.unit.images.prying_decoder import ATTEMPTS, _is_refused\n"
        "names = ['read a file', 'read its own code', \"read the parent's environment\", 'open a local socket',"
        " 'run a program', 'signal the parent', 'make code', 'make memory of no file']\n"
        "print([name for name in names if _is_refused(name)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_threads_and_memory_are_left(decoders: Decoders) -> None:
    assert decoders.decode(ENCODINGS["bmp-grey"].encode(picture(40, 20, seed=1))).note == "threads and 67108864 bytes"


_LAYER = """
import ctypes, errno, socket, sys
from pathlib import Path
from shared.confinement import landlock, seccomp
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
{landlock.__name__: landlock.deny_all, seccomp.__name__: seccomp.install}[sys.argv[1]]()
def connect():
    with socket.socket() as tcp:
        tcp.connect(("127.0.0.1", 9))
def refusal(attempt):
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "nothing"
print(refusal(lambda: Path("/etc/passwd").read_bytes()),
      refusal(connect), flush=True)
"""


@needs_linux
@pytest.mark.parametrize(("layer", "refusal"), [("landlock", "EACCES"), ("seccomp", "EPERM")])
def test_each_layer_refuses_files_and_connections_by_itself(layer: str, refusal: str) -> None:
    command = [sys.executable, "-c", _LAYER, f"shared.confinement.{layer}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [refusal, refusal], done.stderr


_LATE = """
import pickle, sys
from shared.images import decoder
from shared.images.codec import DecodeLimits, decode
decoder.load_libraries()
before = set(sys.modules)
for data in pickle.load(sys.stdin.buffer):
    try:
        decode(data, limits=DecodeLimits(16, 4096))
    except Exception:
        pass
print(sorted(set(sys.modules) - before))
"""


def test_nothing_is_loaded_once_files_come() -> None:
    sound = [each.encode(picture(70, 50, seed=2)) for each in ENCODINGS.values()]
    damaged = [make() for make, *_ in BAD_BYTES.values()] + [campaign.case(1, index) for index in range(150)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _LATE], input=pickle.dumps(sound + damaged), capture_output=True
    )
    assert done.stdout == b"[]\n", done.stderr


def test_damaged_files_are_refused_as_without_confinement() -> None:
    unconfined = partial(decode, limits=LIMITS)
    made = Decoders(LIMITS, seconds=120, processes=1)
    try:
        for index in range(100):
            data = campaign.case(2, index)
            assert _outcome(made.decode, data) == _outcome(unconfined, data), index
    finally:
        made.close()


def _outcome(read: object, data: bytes) -> object:
    try:
        image = read(data)  # type: ignore[operator]
    except ImageError as error:
        return error.code, str(error)
    return image.pixels.tobytes(), image.mode, image.note
