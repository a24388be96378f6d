import json
from base64 import b64decode
from collections import Counter
from contextlib import suppress

import pytest
from redis import Redis
from sqlalchemy import update

from shared.config import Settings
from shared.db.tables.base import new_id
from shared.db.tables.jobs import ShardRow
from shared.errors import BrokerUnavailable, ConfigurationError
from shared.flows.submission import Source, submit_images
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.jobs.claims import Claims
from shared.jobs.records import NewItem, Priority
from shared.jobs.state import JobKind, JobStatus
from shared.queue.celery_app import ShardQueue
from shared.queue.dispatch import Dispatcher
from shared.queue.envelope import PROCESS_SHARD, QUEUE
from shared.queue.messages import ShardMessage, decode
from shared.services import Services

PATIENCE = 60


def make_job(services: Services, shards: int, priority: int = 0) -> str:
    job_id = services.repository.create_job(JobKind.IMAGES, name="n", submitted_by="t", priority=priority)
    for shard in range(shards):
        services.repository.add_shard(job_id, [NewItem(id=new_id(), path=f"{shard}", source_key="k")])
    services.repository.seal(job_id)
    return job_id


def taken_messages(broker_url: str) -> list[ShardMessage]:
    """Take every message out of Redis, as a worker would, the oldest first."""
    with Redis.from_url(broker_url) as client:
        raw = [client.rpop(QUEUE) for _ in range(client.llen(QUEUE))]
    messages = [json.loads(message) for message in raw]
    assert {message["headers"]["task"] for message in messages} <= {PROCESS_SHARD}
    return [decode(json.loads(b64decode(message["body"]))[0][0]) for message in messages]


def test_the_window_bounds_what_stands_in_redis(services: Services, broker_url: str) -> None:
    make_job(services, 12)
    assert services.dispatcher.fill() == 5
    assert services.dispatcher.fill() == 0
    assert services.queue.length() == 5
    first = taken_messages(broker_url)
    services.dispatcher.fill()
    second = taken_messages(broker_url)
    assert len({message.shard for message in first + second}) == 10


def test_jobs_take_turns_and_priority_goes_first(services: Services, broker_url: str) -> None:
    large = make_job(services, 20)
    small = make_job(services, 2)
    urgent = make_job(services, 1, priority=1)
    services.dispatcher.fill()
    messages = taken_messages(broker_url)
    assert messages[0].job == urgent
    assert Counter(message.job for message in messages[1:]) == {large: 2, small: 2}


def test_a_lost_hint_is_sent_again_and_no_sooner(services: Services, broker_url: str) -> None:
    make_job(services, 1)
    assert services.dispatcher.fill() == 1
    taken_messages(broker_url)  # lost: FLUSHALL, or a worker that died with it
    assert services.dispatcher.fill() == 0
    hasty = Dispatcher(services.database, services.queue, window=5, resend_after=0)
    assert hasty.fill() == 1


def test_a_resting_shard_is_left_alone(services: Services) -> None:
    make_job(services, 1)
    with services.database.write() as connection:
        connection.execute(update(ShardRow).values(not_before=4e9))
    assert services.dispatcher.fill() == 0


def test_a_failed_publish_is_made_good_at_once(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    make_job(services, 2)

    def away(message: ShardMessage) -> None:
        raise BrokerUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(services.queue, "publish", away)
        with pytest.raises(BrokerUnavailable):
            services.dispatcher.fill()
    assert services.dispatcher.fill() == 2


def test_a_round_of_the_reconciler_frees_closes_and_sends(services: Services) -> None:
    crashed, cancelled = make_job(services, 1), make_job(services, 1)
    impatient = Claims(services.database, lease_seconds=-1, max_attempts=3)
    shard = services.dispatcher.next_shards(10)[0]
    assert impatient.claim(shard.id, worker="w") is not None
    services.repository.cancel(cancelled)
    done = services.reconciler().round()
    assert (done.freed, done.published) == (1, 1)
    assert services.repository.job(crashed).counts.pending == 1
    assert services.repository.job(cancelled).state is JobStatus.CANCELLED


def test_nothing_listening_is_one_line() -> None:
    queue = ShardQueue("redis://127.0.0.1:1/0")
    with pytest.raises(BrokerUnavailable) as caught:
        queue.check()
    assert "\n" not in str(caught.value)
    with pytest.raises(BrokerUnavailable):
        queue.publish(ShardMessage(job=new_id(), shard=new_id()))


@pytest.mark.parametrize("url", ["nonsense://x", "redis://127.0.0.1:notaport/0"])
def test_a_wrong_address_is_named(url: str) -> None:
    with pytest.raises(ConfigurationError, match="BROKER_URL"):
        ShardQueue(url).check()


def test_a_connection_that_redis_closed_is_opened_again(services: Services, broker_url: str) -> None:
    assert services.queue.length() == 0
    with Redis.from_url(broker_url) as client:
        for connection in client.client_list():
            if connection["cmd"] == "llen":
                client.client_kill(connection["addr"])
    assert services.queue.length() == 0
    with services.queue.filling() as mine:
        assert mine


def test_what_is_urgent_is_announced_to_all_who_listen(services: Services, settings: Settings) -> None:
    others = ShardQueue(settings.broker)
    listeners = [services.queue.listener(), others.listener()]
    for listener in listeners:
        listener.wait(0.01)  # from here on they hear
    images = [Source("a.png", lambda: b"a")]
    submit_images(services, images, name="n", submitted_by="t", priority=Priority.NORMAL)
    assert not any(listener.wait(0.3) for listener in listeners)
    submit_images(services, images, name="n", submitted_by="t", priority=Priority.HIGH)
    assert all(listener.wait(PATIENCE) for listener in listeners)
    submit_synthetic(services, SyntheticSpec(1), name="n", submitted_by="t", priority=Priority.HIGH)
    assert all(listener.wait(PATIENCE) for listener in listeners)
    assert not any(listener.wait(0.3) for listener in listeners)
    for listener in listeners:
        listener.close()
    others.close()


def test_a_listener_whose_connection_was_cut_listens_again(services: Services, broker_url: str) -> None:
    listener = services.queue.listener()
    listener.wait(0.01)
    with Redis.from_url(broker_url) as client:
        client.client_kill_filter(_type="pubsub")
    with suppress(BrokerUnavailable):  # or redis-py connects again by itself
        listener.wait(0.01)
    listener.wait(0.01)
    services.queue.announce_urgent()
    assert listener.wait(PATIENCE)
    listener.close()


def test_listening_to_nobody_fails_at_once() -> None:
    listener = ShardQueue("redis://127.0.0.1:1/0").listener()
    with pytest.raises(BrokerUnavailable):
        listener.wait(PATIENCE)
