"""What a worker waits for before it starts: services that come up later than it does."""

import logging
import time
from collections.abc import Callable

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_before_delay, wait_fixed

from shared.errors import BrokerFull, ConfigurationError, DatabaseFull, Retryable, StoreFull
from shared.services import Services

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 1.0
_ATTEMPTS_A_WARNING = 60  # after the first minute


def wait_for(services: Services, patience: float, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait up to `patience` seconds for services that do not answer yet, as when a whole stack comes up.

    One that has no room is waited for as long as it takes: starting again would change nothing.

    Raises:
        ConfigurationError: a setting is wrong, or a service stayed unavailable.
    """
    impatient = stop_before_delay(patience)
    waiting = Retrying(
        retry=retry_if_exception(_is_outage),
        wait=wait_fixed(_PAUSE_SECONDS),
        stop=lambda state: _is_not_full(state) and impatient(state),
        before_sleep=_say_that_it_waits,
        sleep=sleep,
        reraise=True,
    )
    try:
        waiting(services.check)
    except Retryable as error:
        raise ConfigurationError(str(error)) from error


def _is_outage(error: BaseException) -> bool:
    """Whether it is one, or says what is to be done about one."""
    return isinstance(error, Retryable) or isinstance(error.__cause__, Retryable)


def _is_not_full(state: RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    return error is None or not isinstance(error.__cause__, BrokerFull | DatabaseFull | StoreFull)


def _say_that_it_waits(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    if state.attempt_number % _ATTEMPTS_A_WARNING == 1 or state.attempt_number < _ATTEMPTS_A_WARNING:
        log.warning("waiting: %s", error, extra={"action": "worker_waits"})
