"""`make audit-dependencies` against a database of our own, which knows one vulnerability."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shared.config import CHECKOUT

KNOWN = {
    "id": "GHSA-test", "summary": "bad", "details": "bad", "aliases": [], "modified": "2026-01-01T00:00:00Z",
    "affected": [{"package": {"name": "jinja2", "ecosystem": "PyPI"}, "versions": ["2.10"],
                  "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.11"}]}]}],
}  # fmt: skip


class Database(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        hit = asked["package"]["name"] == "jinja2" and asked["version"] == "2.10"
        answer = json.dumps({"vulns": [KNOWN]} if hit else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_arguments: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Database) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()


def audit(tmp_path: Path, content: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    lock = tmp_path / "some.lock"
    lock.write_text(content)
    script = CHECKOUT / "scripts" / "audit-dependencies"
    return subprocess.run(
        [sys.executable, script, lock, *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=240,
    )


def test_a_known_vulnerability_fails(tmp_path: Path, database: str) -> None:
    ended = audit(tmp_path, "click==8.1.0\njinja2==2.10\n", "--osv-url", database)
    assert ended.returncode == 1, ended.stderr
    assert "jinja2 2.10 has GHSA-test, fixed in 2.11" in ended.stderr


def test_one_that_was_looked_at_does_not(tmp_path: Path, database: str) -> None:
    ended = audit(tmp_path, "jinja2==2.10\n", "--osv-url", database, "--ignore-vuln", "GHSA-test")
    assert ended.returncode == 0, ended.stderr


def test_nothing_known_is_success(tmp_path: Path, database: str) -> None:
    ended = audit(tmp_path, "jinja2==3.1.6\nclick==8.1.0\n", "--osv-url", database)
    assert (ended.returncode, ended.stdout) == (0, "some.lock: 2 dependencies audited, 0 known vulnerabilities\n")


def test_no_answer_is_said_and_fails_only_where_an_answer_must_be(tmp_path: Path) -> None:
    for more, code in ([], 0), (["--must-answer"], 3):
        ended = audit(tmp_path, "jinja2==2.10\n", "--osv-url", "http://127.0.0.1:1/v1/query", *more)
        assert ended.returncode == code
        assert "NOTHING is known" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_a_lock_file_that_cannot_be_read_is_no_success(tmp_path: Path, database: str) -> None:
    assert audit(tmp_path, "not a requirement ==\n", "--osv-url", database).returncode == 2
