import json
from pathlib import Path

import pytest

from admin.standalone import output
from admin.standalone.output import Output


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def worker(tmp_path: Path, said: list[str]):
    out = Output("worker", tmp_path, say=said.append, verbose=False)
    yield out
    out.close()


def record(level: str, message: str) -> bytes:
    return json.dumps({"level": level, "message": message}).encode() + b"\n"


def test_every_line_goes_to_the_log_however_it_was_cut(worker: Output, said: list[str]):
    for piece in (b"first\nsec", b"ond %s %d\n", b"th\xc3", b"\xa4rd"):
        worker.feed(piece)
    worker.flush()
    assert worker.path.read_text() == "first\nsecond %s %d\nthärd\n"
    assert said == []


def test_the_terminal_sees_warnings_and_worse_alone(worker: Output, said: list[str]):
    worker.feed(record("INFO", "busy") + record("WARNING", "no\nspace") + record("ERROR", "broken") + b"ERROR plain\n")
    assert said == ["worker: WARNING no space", "worker: ERROR broken"]


def test_verbose_shows_every_line(tmp_path: Path, said: list[str]):
    out = Output("admin", tmp_path, say=said.append, verbose=True)
    out.feed(record("INFO", "busy") + b'["no record"]\n')
    out.close()
    assert said == ["admin: INFO busy", 'admin: ["no record"]']


@pytest.mark.parametrize("line", [b"error: no weights\n", b"worker: no weights\n"])
def test_the_last_words_are_the_reason_for_the_exit(worker: Output, said: list[str], line: bytes):
    worker.feed(line + record("INFO", "stopped"))
    assert worker.last_words == "no weights"
    assert said == []


def test_without_a_reason_the_last_line_has_to_do(worker: Output):
    worker.feed(b"Traceback\n" + record("INFO", "last") + b"\n")
    assert worker.last_words == "last"


def test_a_new_life_forgets_the_words_of_the_last(worker: Output):
    worker.feed(b"error: no weights\n")
    worker.start_life()
    assert worker.last_words == ""


def test_logs_stay_bounded(worker: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(output, "_LOG_BYTES", 1000)
    small = Output("broker", tmp_path, say=print, verbose=False)
    for number in range(1000):
        small.feed(b"line %d\n" % number)
    small.close()
    logs = sorted(tmp_path.glob("broker.log*"))
    assert len(logs) == 2
    assert all(path.stat().st_size <= 1000 for path in logs)
    assert "line 999" in logs[0].read_text()


def test_a_line_without_an_end_does_not_fill_the_memory(worker: Output):
    for _ in range(40):
        worker.feed(b"x" * 4096)
    assert worker.path.stat().st_size > 64 * 1024
