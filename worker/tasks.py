"""The one task: a message in, a shard processed."""

import logging
from collections.abc import Callable

from celery import Celery

from shared.errors import MessageError
from shared.logs import log_ids
from shared.queue.envelope import PROCESS_SHARD
from shared.queue.messages import decode

log = logging.getLogger(__name__)


def register_tasks(app: Celery, process_shard: Callable[[str], None]) -> None:
    """Give `app` the task that a shard's message names; `process_shard` gets the shard's id."""

    @app.task(name=PROCESS_SHARD)  # type: ignore[untyped-decorator,unused-ignore]
    def handle(message: object) -> None:
        try:
            named = decode(message)
        except MessageError as error:
            # Sending it again would not mend it, and the shard's own hint is in SQL.
            log.error("message dropped: %s", error, extra={"action": "message_dropped"})  # noqa: TRY400
            return
        with log_ids(job=named.job, shard=named.shard):
            process_shard(named.shard)
