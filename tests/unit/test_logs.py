import io
import json
import logging
from collections.abc import Iterator

import pytest

from shared.logs import setup_logging


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
