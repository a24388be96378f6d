"""Requests to the API: its errors as exceptions, and what may pass tried again for a while."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_before_delay, wait_random_exponential

from delineate_client.errors import ApiError, ApiUnavailable

DEFAULT_PATIENCE_SECONDS = 60.0
_CONNECT_SECONDS = 10.0
_READ_SECONDS = 120.0  # more than the API lets anybody wait
_GROWING_PAUSE = wait_random_exponential(multiplier=0.4, max=10, min=0.1)
# Answers of a proxy or of the API that say: later.
_LATER = frozenset({429, 502, 503, 504})
# … but for these, after which the job is there already.
_MADE = frozenset({"no-worker", "not-segmented-yet"})


class _Later(ApiUnavailable):
    """What may pass; `after` is how long to wait at least, in seconds, where the API says so."""

    def __init__(self, text: str, after: float = 0.0) -> None:
        super().__init__(text)
        self.after = after


class Connection:
    """The API at one address, with one token. Safe in threads.

    Args:
        url: of the admin, such as `http://127.0.0.1:8000`.
        token: that the page Tokens made.
        patience: for how many seconds what may pass is tried again.
        transport: of httpx, for tests.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        patience: float = DEFAULT_PATIENCE_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.patience = patience
        self._client = httpx.Client(
            base_url=f"{self.url}/api/v1/",
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
            transport=transport,
            follow_redirects=True,  # a file may be a link into the object store
        )

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def json(self, method: str, path: str, **options: Any) -> Any:
        """Send a request and return the JSON of its answer; None where it has none.

        Raises:
            ApiError: the API refuses it.
            ApiUnavailable: it does not answer, or not yet.
        """
        content = self.bytes(method, path, **options)
        return json.loads(content) if content else None

    def bytes(self, method: str, path: str, **options: Any) -> bytes:
        """Send a request and return the body of its answer; raises as `json` does."""
        return self.answer(method, path, **options).content

    def answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request, again for a while where what hinders it may pass; raises as `json` does."""
        return self._retrying()(self._send, method, path, **options)

    @contextmanager
    def stream(self, path: str, **options: Any) -> Iterator[httpx.Response]:
        """Yield an answer whose body is read while it comes; raises as `json` does, and is tried once."""
        try:
            with self._client.stream("GET", path, **options) as answer:
                if answer.is_error:
                    answer.read()
                    raise _error_of(answer)
                yield answer
        except httpx.HTTPError as error:
            raise _Later(self._away(error)) from error

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise _Later(self._away(error)) from error
        if answer.is_error:
            raise _error_of(answer)
        return answer

    def _away(self, error: httpx.HTTPError) -> str:
        return f"the API at {self.url} does not answer: {str(error) or type(error).__name__}"

    def _retrying(self) -> Retrying:
        return Retrying(
            retry=retry_if_exception_type(_Later),
            wait=_pause,
            # A pause that the API asks for may be longer than anybody here has patience.
            stop=stop_before_delay(self.patience),
            reraise=True,
        )


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    after = error.after if isinstance(error, _Later) else 0.0
    return max(after, _GROWING_PAUSE(state))


def _error_of(answer: httpx.Response) -> Exception:
    problem = _problem(answer)
    error = ApiError(answer.status_code, problem)
    if answer.status_code in _LATER and error.kind not in _MADE:
        after = answer.headers.get("Retry-After", "")
        return _Later(error.detail, float(after) if after.isdigit() else 0.0)
    return error


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        value = answer.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
