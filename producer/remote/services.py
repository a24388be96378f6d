"""The services of `producer --api`: all of them the one API."""

from typing import NoReturn, cast

from typing_extensions import override

from delineate_client.connection import Connection
from producer.remote.repository import RemoteRepository
from producer.remote.store import RemoteStore, not_told
from producer.remote.translated import translated
from shared.config import Settings
from shared.db.database import Database
from shared.errors import ConfigurationError
from shared.jobs.claims import Claims
from shared.jobs.workers import Workers
from shared.queue.celery_app import ShardQueue
from shared.queue.dispatch import Dispatcher
from shared.services import Services
from shared.store import S3Options
from shared.store.source_buckets import SourceBuckets

# Commands try again themselves, and say so.
_PATIENCE_SECONDS = 10.0
# The API takes four large bodies of an account at a time.
_THREADS = 3


class RemoteServices(Services):
    """Services behind an API; claims, which workers alone have, there are none."""

    @override
    def check(self) -> None:
        """Raise unless the API answers and knows the token.

        Raises:
            ConfigurationError: it does not know it.
            ApiAway: nothing answers.
        """
        self.database.check()


def connect(settings: Settings, url: str) -> RemoteServices:
    """Return services that ask the API at this address; nothing is asked yet.

    Raises:
        ConfigurationError: the address is none, or there is no token.
    """
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"{url!r} is no address of an API: give one such as https://delineate.example")
    if settings.delineate_token is None:
        raise ConfigurationError("the API wants a token: set DELINEATE_TOKEN to one of its page Tokens")
    connection = Connection(url, settings.delineate_token.get_secret_value(), patience=_PATIENCE_SECONDS)
    database = _Api(connection)
    store = RemoteStore(connection)
    # Whatever tells from the settings whether the stack is this machine's own is told that it is not.
    elsewhere = settings.model_copy(update={"broker_url": url, "upload_threads": _THREADS})
    return RemoteServices(
        settings=elsewhere,
        database=database,
        repository=RemoteRepository(connection, store, database),
        claims=cast(Claims, None),
        workers=_Workers(connection, database),
        queue=_Queue(),
        dispatcher=_Dispatcher(),
        store=store,
        buckets=SourceBuckets("", "", S3Options()),  # the server lists them
    )


class _Api(Database):
    """What the commands ask of a database itself: whether it answers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    def write(self) -> NoReturn:
        raise not_told()

    @override
    def read(self) -> NoReturn:
        raise not_told()

    @override
    def connect(self) -> NoReturn:
        raise not_told()

    @override
    def check(self) -> None:
        with translated():
            self._connection.json("GET", "me")

    @override
    def close(self) -> None:
        self._connection.close()


class _Workers(Workers):
    def __init__(self, connection: Connection, database: Database) -> None:
        super().__init__(database)
        self._connection = connection

    @override
    def quiet_for(self) -> float | None:
        with translated():
            quiet: float | None = self._connection.json("GET", "workers")["quiet_seconds"]
        return quiet


class _Queue(ShardQueue):
    """The server sends the hints."""

    def __init__(self) -> None:
        pass

    @override
    def announce_urgent(self) -> None:
        pass

    @override
    def close(self) -> None:
        pass


class _Dispatcher(Dispatcher):
    def __init__(self) -> None:
        pass

    @override
    def fill(self) -> int:
        return 0
