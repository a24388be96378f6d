import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
from PIL import Image

from shared.errors import DecoderUnavailable, ImageError, ImageOutOfMemory, ItemErrorCode
from shared.images import scratch
from shared.images.codec import DecodeLimits, decode, encode_grey
from shared.images.isolated import Decoders
from tests.corpus.damage import BAD_BYTES
from tests.corpus.encodings import ENCODINGS
from tests.corpus.scenes import picture
from tests.unit.images import misbehaving_decoder as misbehaving

LIMITS = DecodeLimits(min_side=16, max_side=4096)
PATIENCE = 120
Make = Callable[..., Decoders]


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    made = Decoders(LIMITS, seconds=PATIENCE, processes=1)
    yield made
    made.close()


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Decoders] = []

    def make(limits: DecodeLimits = LIMITS, seconds: float = PATIENCE, processes: int = 1, **options: str) -> Decoders:
        made.append(Decoders(limits, seconds=seconds, processes=processes, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def staged(make: Make) -> Decoders:
    """Its processes misbehave on marked images."""
    return make(seconds=20, module=misbehaving.__name__)


def grey(width: int, height: int = 20) -> bytes:
    return encode_grey(picture(width, height, seed=1))


def refusal(decoders: Decoders, data: bytes) -> tuple[ItemErrorCode, str]:
    with pytest.raises(ImageError) as caught:
        decoders.decode(data)
    return caught.value.code, str(caught.value)


Processes = Callable[[], list[psutil.Process]]


@pytest.fixture
def processes() -> Processes:
    """Return the decoders that were started since the test began and are still there."""
    before = psutil.Process().children()
    return lambda: [child for child in psutil.Process().children() if child not in before]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_pixels_and_all_that_is_known_of_them_arrive(decoders: Decoders, encoding: str) -> None:
    data = ENCODINGS[encoding].encode(picture(70, 50, seed=2))
    there, here = decoders.decode(data), decode(data, limits=LIMITS)
    assert np.array_equal(there.pixels, here.pixels)
    assert there.pixels.dtype == here.pixels.dtype
    assert (there.format, there.mode, there.bit_depth, there.note) == (
        here.format,
        here.mode,
        here.bit_depth,
        here.note,
    )


@pytest.mark.parametrize("name", BAD_BYTES)
def test_refusals_are_those_of_the_codec(decoders: Decoders, name: str) -> None:
    data = BAD_BYTES[name][0]()
    decoders.decode(grey(32))
    before = psutil.Process().children()
    with pytest.raises(ImageError) as here:
        decode(data, limits=LIMITS)
    assert refusal(decoders, data) == (here.value.code, str(here.value))
    assert psutil.Process().children() == before  # a refusal costs no process


def test_a_large_image_leaves_no_memory_behind(decoders: Decoders) -> None:
    large = decoders.decode(encode_grey(np.zeros((4096, 2048), np.uint8)))
    assert large.pixels.shape == (4096, 2048)
    assert decoders.decode(grey(33)).pixels.shape == (20, 33)


@pytest.mark.parametrize(
    ("mark", "code", "words"),
    [
        (misbehaving.SEGFAULT, ItemErrorCode.DECODER_CRASHED, "SIGSEGV"),
        (misbehaving.EXIT, ItemErrorCode.DECODER_CRASHED, "exit code 3"),
        (misbehaving.NONSENSE, ItemErrorCode.DECODER_CRASHED, "convert"),
        (misbehaving.UNPRINTABLE, ItemErrorCode.DECODER_CRASHED, "convert"),
        (misbehaving.INFINITE, ItemErrorCode.DECODER_CRASHED, "convert"),
        (misbehaving.DEEP, ItemErrorCode.DECODER_CRASHED, "convert"),
        (misbehaving.WIDE, ItemErrorCode.DECODER_CRASHED, "convert"),
        (misbehaving.MEMORY, ItemErrorCode.DECODE_MEMORY, "more memory"),
    ],
)
@pytest.mark.parametrize("used", [False, True], ids=["new process", "used process"])
def test_what_kills_its_process_fails_alone(
    staged: Decoders, mark: int, code: ItemErrorCode, words: str, used: bool, processes: Processes
) -> None:
    if used:
        staged.decode(grey(40))
    found, reason = refusal(staged, grey(mark))
    assert found == code
    assert words in reason
    assert len(processes()) == 1  # replaced already
    assert staged.decode(grey(41)).width == 41


def test_a_killed_process_is_no_verdict_on_the_image(staged: Decoders, processes: Processes) -> None:
    with pytest.raises(ImageOutOfMemory, match="killed"):
        staged.decode(grey(misbehaving.KILLED))
    assert len(processes()) == 1


def test_what_hangs_is_ended(make: Make, processes: Processes) -> None:
    staged = make(seconds=1, module=misbehaving.__name__)
    code, reason = refusal(staged, grey(misbehaving.HANG))
    assert code == ItemErrorCode.DECODE_TIMEOUT
    assert "1 s (DECODE_SECONDS)" in reason
    assert len(processes()) == 1  # replaced already


def test_what_takes_too_long_is_not_tried_again(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    staged = make(seconds=1, module=misbehaving.__name__)
    staged.decode(grey(40))  # so that the process is no new one
    code, _ = refusal(staged, grey(misbehaving.HANG))
    assert code == ItemErrorCode.DECODE_TIMEOUT
    replaced = [record.getMessage() for record in caplog.records if "a decoder is replaced" in record.getMessage()]
    assert len(replaced) == 1
    assert "its image fails" in replaced[0]


def test_a_real_file_that_takes_for_ever(make: Make) -> None:
    """Each scan of a progressive JPEG goes over the whole picture; as many as are accepted take some seconds."""
    code, _ = refusal(make(seconds=1), jpeg_of_many_scans(side=4096, scans=180))
    assert code == ItemErrorCode.DECODE_TIMEOUT


def jpeg_of_many_scans(side: int, scans: int) -> bytes:
    buffer = BytesIO()
    Image.fromarray(np.zeros((side, side), np.uint8)).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


def test_a_real_file_that_takes_too_much_memory(make: Make) -> None:
    """A tile is decoded as a whole, however small the image that it belongs to."""
    buffer = BytesIO()
    tile = np.zeros((2560, 2560, 4))
    tifffile.imwrite(buffer, tile, photometric="rgb", tile=(2560, 2560), compression="zlib", metadata=None)
    buffer.seek(0)
    data = bytearray(buffer.getvalue())
    with tifffile.TiffFile(buffer) as tiff:
        for name in ("ImageWidth", "ImageLength"):
            tag = tiff.pages.first.tags[name]
            data[tag.valueoffset : tag.valueoffset + 2] = (64).to_bytes(2, "little")
    assert decode(bytes(data), limits=LIMITS).pixels.shape == (64, 64)
    code, _ = refusal(make(DecodeLimits(16, 64)), bytes(data))
    assert code == ItemErrorCode.DECODE_MEMORY


def test_a_process_harmed_by_earlier_files_does_not_fail_the_present_one(staged: Decoders) -> None:
    staged.decode(grey(40))
    assert staged.decode(grey(misbehaving.HARMED)).width == misbehaving.HARMED


def test_a_process_that_was_killed_while_idle_is_replaced(make: Make, processes: Processes) -> None:
    decoders = make()
    decoders.decode(grey(40))
    [child] = processes()
    child.kill()
    child.wait(PATIENCE)
    assert decoders.decode(grey(41)).width == 41


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_to_the_group_are_for_the_parent(make: Make, number: signal.Signals, processes: Processes) -> None:
    decoders = make()
    decoders.decode(grey(40))
    [child] = processes()
    child.send_signal(number)
    assert decoders.decode(grey(41)).width == 41
    assert processes() == [child]


def test_signals_to_the_group_do_not_reach_one_that_starts(make: Make, processes: Processes) -> None:
    make().decode(grey(40))
    [child] = processes()
    assert os.getpgid(child.pid) != os.getpgid(0)


def test_threads_share_the_processes(make: Make, processes: Processes) -> None:
    decoders = make(processes=2)
    with ThreadPoolExecutor(6) as pool:
        widths = list(pool.map(lambda width: decoders.decode(grey(width)).width, range(20, 80)))
    assert widths == list(range(20, 80))
    assert len(processes()) in (1, 2)
    decoders.close()
    assert processes() == []


def test_a_process_holds_no_secrets(make: Make, monkeypatch: pytest.MonkeyPatch, processes: Processes) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    make().decode(grey(40))
    environment = processes()[0].environ()
    assert "AWS_SECRET_ACCESS_KEY" not in environment
    assert environment.keys() <= {
        "PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "LANG", "LC_ALL", "PYTHONPATH", "OPENBLAS_NUM_THREADS",
        "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "LC_CTYPE",
    }  # fmt: skip


def test_a_process_loads_nothing_heavy() -> None:
    code = "import sys, shared.images.decoder; print(*{'torch', 'pydantic', 'sqlalchemy', 'celery'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


def test_a_process_that_does_not_start_is_not_the_images_fault(make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DecoderUnavailable, match="does not start"):
        make(module="shared.images.no_such_module").decode(grey(40))
    assert "no_such_module" in capfd.readouterr().err  # the log says why


def test_what_libraries_say_stays_out_of_the_log(
    decoders: Decoders, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    data = bytearray(ENCODINGS["png-16-grey"].encode(picture(70, 50, seed=2)))
    data[28] = 7  # an interlacing that there is none of, with its checksum
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    with pytest.raises(ImageError):
        decode(bytes(data), limits=LIMITS)
    assert "PNG warning" in caplog.text
    capfd.readouterr()
    refusal(decoders, bytes(data))
    assert capfd.readouterr().err == ""


_PARENT = """
import sys, threading, psutil
from shared.images.codec import DecodeLimits
from shared.images.isolated import Decoders
decoders = Decoders(DecodeLimits(16, 4096), seconds=600, processes=1, module=sys.argv[1])
decoders.decode(bytes.fromhex(sys.argv[2]))
threading.Thread(target=decoders.decode, args=[bytes.fromhex(sys.argv[3])]).start()
print(psutil.Process().children()[0].pid, flush=True)
"""


def test_processes_die_with_their_parent_whatever_they_do() -> None:
    command = [sys.executable, "-c", _PARENT, misbehaving.__name__, grey(40).hex(), grey(misbehaving.HANG).hex()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        spent = child.cpu_times().user
        deadline = time.monotonic() + PATIENCE
        while child.cpu_times().user < spent + 0.3:  # it hangs in C
            assert time.monotonic() < deadline
            time.sleep(0.05)
        parent.kill()
        parent.wait(PATIENCE)
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_scratch_memory_gives_back_what_it_holds(tmp_path: Path) -> None:
    descriptor = scratch.create()
    scratch.write(descriptor, b"x" * 1000)
    assert scratch.read(descriptor, 2000) == b"x" * 1000
    with pytest.raises(ValueError, match="fewer"):
        scratch.read_pixels(descriptor, (16, 16), np.dtype(np.float32))
    assert scratch.read_pixels(descriptor, (5, 50), np.dtype(np.float32)).shape == (5, 50)
    scratch.shrink(descriptor, 1000)
    assert os.fstat(descriptor).st_size == 1000
    scratch.shrink(descriptor, 999)
    assert os.fstat(descriptor).st_size == 0
    os.close(descriptor)
