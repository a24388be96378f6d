import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from datetime import datetime

import pytest

from shared.logs import IDS, json_line, log_ids, log_process_ids, log_uncaught, setup_logging


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()  # pytest's own, which setup_logging would close
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_file_gets_a_json_object_a_line_with_the_ids():
    stream = io.StringIO()
    setup_logging("INFO", stream)
    logging.getLogger("worker").info("two\nlines, %d", 1, extra={"action": "claimed", "job": "j", "other": "x"})
    [line] = stream.getvalue().splitlines()
    record = json.loads(line)
    assert (record["level"], record["logger"], record["message"]) == ("INFO", "worker", "two\nlines, 1")
    assert (record["action"], record["job"]) == ("claimed", "j")
    assert "other" not in record


def test_a_traceback_stays_inside_its_line():
    stream = io.StringIO()
    setup_logging("INFO", stream)
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logging.getLogger("worker").exception("failed")
    [line] = stream.getvalue().splitlines()
    assert "ZeroDivisionError" in json.loads(line)["traceback"]


def test_a_terminal_gets_plain_lines_with_the_ids():
    stream = Terminal()
    setup_logging("INFO", stream)
    logging.getLogger("worker").warning("released", extra={"action": "claim_released", "job": "j"})
    assert stream.getvalue().rstrip().endswith("WARNING released  [job=j]")


def test_other_libraries_speak_up_only_from_warnings():
    stream = io.StringIO()
    setup_logging("INFO", stream)
    logging.getLogger("celery.worker").info("task received")
    logging.getLogger("celery.worker").warning("connection lost")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["connection lost"]


def lines(stream: io.StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def no_process_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.logs._process_ids", {})


def test_ids_of_the_work_are_on_every_line_inside_those_of_libraries_too(no_process_ids):
    stream = io.StringIO()
    setup_logging("INFO", stream)
    log_process_ids(worker="host-1")
    with log_ids(job="j", shard="s"):
        with log_ids(item="i"):
            logging.getLogger("botocore.client").warning("slow")
        logging.getLogger("worker").info("next", extra={"job": "other"})
    logging.getLogger("worker").info("after")
    first, second, third = ({name: line.get(name) for name in IDS} for line in lines(stream))
    assert first == {"worker": "host-1", "job": "j", "shard": "s", "item": "i", "request": None}
    assert second == {"worker": "host-1", "job": "other", "shard": "s", "item": None, "request": None}
    assert third == {"worker": "host-1", "job": None, "shard": None, "item": None, "request": None}


def test_ids_stay_in_their_own_thread(no_process_ids):
    stream = io.StringIO()
    setup_logging("INFO", stream)
    with log_ids(item="mine"):
        thread = threading.Thread(target=logging.getLogger("worker").info, args=["from elsewhere"])
        thread.start()
        thread.join()
    [line] = lines(stream)
    assert "item" not in line


def test_what_nobody_catches_is_a_line_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # both are restored after the test
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    stream = io.StringIO()
    setup_logging("INFO", stream)
    log_uncaught()

    def fail() -> None:
        raise ZeroDivisionError("in a thread")

    thread = threading.Thread(target=fail, name="batcher-0")
    thread.start()
    thread.join()
    try:
        raise KeyError("in the main thread")
    except KeyError:
        sys.excepthook(*sys.exc_info())
    in_thread, in_main = lines(stream)
    assert (in_thread["level"], in_thread["message"]) == ("CRITICAL", "a defect ended the thread batcher-0")
    assert "in a thread" in in_thread["traceback"]
    assert "in the main thread" in in_main["traceback"]


def test_a_line_made_without_logging_looks_like_the_others(no_process_ids):
    log_process_ids(worker="host-1")
    line = json.loads(json_line("INFO", "celery.apps.worker", "worker: Warm shutdown"))
    assert datetime.fromisoformat(line.pop("time")).tzinfo
    assert line == {
        "level": "INFO", "logger": "celery.apps.worker", "message": "worker: Warm shutdown", "worker": "host-1",
    }  # fmt: skip
