"""What a part is made of: the database, the queue and the object store that the settings name, opened once."""

from dataclasses import dataclass

from pydantic import SecretStr

from shared.config import Settings
from shared.db.database import Database
from shared.errors import (
    BrokerFull,
    BrokerUnavailable,
    ConfigurationError,
    DatabaseFull,
    DatabaseUnavailable,
    StoreFull,
    StoreUnavailable,
)
from shared.jobs.claims import Claims
from shared.jobs.repository import Repository
from shared.jobs.workers import Workers
from shared.queue.celery_app import ShardQueue
from shared.queue.dispatch import Dispatcher
from shared.store import ObjectStore, S3Options, open_store
from shared.store.referring import ReferringStore
from shared.store.source_buckets import SourceBuckets
from shared.upkeep.reconciler import Reconciler
from shared.upkeep.retention import TIDY_AFTER_LEASES, Retention, RetentionRules

FEW_CONNECTIONS = 5


@dataclass(frozen=True)
class Services:
    """The opened services of one process. Threads may share them; a fork may not."""

    settings: Settings
    database: Database
    repository: Repository
    claims: Claims
    workers: Workers
    queue: ShardQueue
    dispatcher: Dispatcher
    store: ObjectStore  # which reads what items refer to, too
    buckets: SourceBuckets

    def check(self) -> None:
        """Raise unless database, queue and store all answer and the settings work.

        Raises:
            ConfigurationError: a setting is wrong; one line says which.
            Retryable: nothing answers where it points to.
        """
        try:
            self.database.check()
            self.queue.check()
            self.store.check()
        except (BrokerFull, DatabaseFull, StoreFull) as error:
            raise ConfigurationError(str(error)) from error  # which says what to do
        except (DatabaseUnavailable, BrokerUnavailable, StoreUnavailable) as error:
            advice = (
                "is the stack running? Start it with `make up`"
                if self.settings.is_embedded
                else "check DATABASE_URL, BROKER_URL, STORE_URL and S3_ENDPOINT_URL"
            )
            raise type(error)(f"{error} ({advice})") from error

    def reconciler(self) -> Reconciler:
        """Return a reconciler over these services."""
        settings = self.settings
        rules = RetentionRules(
            tidy_after=TIDY_AFTER_LEASES * settings.lease_seconds,
            remove_sources_after=_seconds(settings.source_retention_days),
            remove_jobs_after=_seconds(settings.retention_days),
        )
        return Reconciler(
            self.repository,
            self.claims,
            self.dispatcher,
            interval=settings.reconcile_interval,
            retention=Retention(self.database, self.store, rules),
            abandon_after=settings.abandon_after,
        )

    def close(self) -> None:
        """Close all connections."""
        self.store.close()
        self.queue.close()
        self.database.close()


def connect(settings: Settings, *, connections: int = FEW_CONNECTIONS) -> Services:
    """Open the services that the settings name; nothing is contacted before the first use.

    Args:
        settings: their addresses and passwords.
        connections: to the database that stay open, one for each thread that may be in a transaction. As many again
            are opened and closed where they do not do.

    Raises:
        ConfigurationError: an address that cannot be one.
    """
    database = Database(settings.database, pool_size=connections)
    queue = ShardQueue(settings.broker)
    options = _s3_options(settings)
    buckets = SourceBuckets(settings.source_buckets, settings.store, options)
    return Services(
        settings=settings,
        database=database,
        repository=Repository(database),
        claims=Claims(database, lease_seconds=settings.lease_seconds, max_attempts=settings.max_attempts),
        workers=Workers(database),
        queue=queue,
        dispatcher=Dispatcher(database, queue, window=settings.publish_window, resend_after=settings.resend_after),
        store=ReferringStore(open_store(settings.store, options), buckets),
        buckets=buckets,
    )


def _s3_options(settings: Settings) -> S3Options:
    return S3Options(
        endpoint_url=settings.s3_endpoint_url,
        public_url=settings.s3_public_url,
        region=settings.aws_region or settings.aws_default_region,
        profile=settings.aws_profile,
        access_key=_secret(settings.aws_access_key_id),
        secret_key=_secret(settings.aws_secret_access_key),
        session_token=_secret(settings.aws_session_token),
    )


def _secret(setting: SecretStr | None) -> str | None:
    return setting.get_secret_value() if setting else None


def _seconds(days: float | None) -> float | None:
    return None if days is None else days * 86400.0
