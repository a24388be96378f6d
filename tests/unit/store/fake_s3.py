"""A few lines of HTTP that stand in for an S3 server which fails, stalls or is odd."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread


@dataclass
class FakeS3:
    """Answers every request with `status` and `body`, and counts them."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    promised_length: int | None = None  # Content-Length, where it is to differ from the body's
    stalls: bool = False  # answers nothing before the server ends
    refuses: Callable[[str, str], tuple[int, str] | None] = lambda _method, _target: None  # → status and code
    requests: list[str] = field(default_factory=list)
    seen_headers: list[dict[str, str]] = field(default_factory=list)  # of the requests, names in lower case
    targets: list[str] = field(default_factory=list)  # of the requests, whole addresses where it is asked as a proxy
    url: str = ""

    def refuse(self, status: int, code: str) -> None:
        self.status = status
        self.body = error_body(code)

    def serve(self, body: bytes) -> None:
        """Answer as a real server does, with all the headers of an object."""
        self.body = body
        self.headers = {"ETag": '"1"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}

    def clients(self) -> list[str]:
        """Whose each request was: `sdk` or `obstore`."""
        return ["sdk" if "Boto3" in seen["user-agent"] else "obstore" for seen in self.seen_headers]


def error_body(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()


@contextmanager
def fake_s3(certificate: Path | None = None, key: Path | None = None) -> Iterator[FakeS3]:
    """Run one; with a certificate it speaks TLS as `localhost`."""
    fake = FakeS3()
    ended = Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # for "100 Continue", without which the SDK waits for a second

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fake.requests.append(self.command)
            fake.targets.append(self.path)
            fake.seen_headers.append({name.lower(): value for name, value in self.headers.items()})
            if fake.stalls:
                ended.wait()
                self.close_connection = True
                return
            status, body = fake.status, fake.body
            if refusal := fake.refuses(self.command, self.path):
                status, body = refusal[0], error_body(refusal[1])
            self.send_response(status)
            for name, value in fake.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(fake.promised_length or len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
            self.close_connection = fake.promised_length is not None

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815  # the names are the base class's

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that gives up, or trusts us not, is what is tested."""

    with Server(("127.0.0.1", 0), Handler) as http:
        fake.url = f"http://127.0.0.1:{http.server_port}"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
            fake.url = f"https://localhost:{http.server_port}"
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield fake
        ended.set()
        http.shutdown()
        thread.join()
