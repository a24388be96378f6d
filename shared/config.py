"""The one settings table: every name, type, default, unit and meaning; the only place that reads the environment.

A value is looked up in this order: the process environment, then `.env` in the checkout, then the default here.
With nothing configured, every part talks to the embedded stack that lives under `DELINEATE_HOME`.
docs/settings.md and .env.example are checked against this table by a test.
"""

import os
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared import home_paths
from shared.addresses import with_password
from shared.errors import ConfigurationError
from shared.setting_sources import SecretsWithTheirOwners

_PACKAGE_ROOT = Path(__file__).resolve().parent.parent
# Installed into site-packages there is no checkout: then the current folder takes its place.
CHECKOUT = _PACKAGE_ROOT if (_PACKAGE_ROOT / "pyproject.toml").exists() else Path.cwd()
DEFAULT_MODEL = Path(__file__).resolve().parent / "weights" / "default"


def _setting(default: Any, help_text: str, *, unit: str = "", **limits: Any) -> Any:
    return Field(default=default, description=help_text, json_schema_extra={"unit": unit}, **limits)


class Settings(BaseSettings):
    """All settings, validated and frozen. Fields are read from the environment by their upper-case names."""

    model_config = SettingsConfigDict(env_file=CHECKOUT / ".env", extra="ignore", frozen=True, env_ignore_empty=True)

    # where things are
    delineate_home: Path = _setting(CHECKOUT / ".delineate", "Folder of the embedded stack: database, objects, broker.")
    database_url: str = _setting("", "SQLAlchemy URL of the database. Empty: SQLite under DELINEATE_HOME.")
    database_password: SecretStr | None = _setting(
        None, "Password of a DATABASE_URL that has none, as it is: nothing in it is percent-encoded."
    )
    broker_url: str = _setting("", "Redis URL of the queue. Empty: the embedded stack's socket.")
    broker_password: SecretStr | None = _setting(None, "Password of a BROKER_URL that has none, as it is.")
    store_url: str = _setting("", "Object store, `s3://bucket` or `file:///folder`. Empty: a folder of DELINEATE_HOME.")
    s3_endpoint_url: str | None = _setting(None, "Address of the S3 server. Empty: Amazon's own.")
    aws_access_key_id: SecretStr | None = _setting(None, "S3 access key.")
    aws_secret_access_key: SecretStr | None = _setting(None, "S3 secret key.")
    aws_session_token: SecretStr | None = _setting(
        None, "Token of temporary S3 keys; counts where the access key is set too."
    )
    aws_profile: str | None = _setting(
        None,
        "Profile of AWS's configuration files with keys or region. Neither keys nor profile: the default profile, or "
        "the role of the container or machine.",
    )
    aws_region: str | None = _setting(None, "S3 region. Empty: AWS_DEFAULT_REGION, the profile's, or `us-east-1`.")
    aws_default_region: str | None = _setting(None, "S3 region where AWS_REGION is empty.")
    source_buckets: str = _setting(
        "",
        "Buckets, or prefixes in them, whose images are read where they lie, such as `s3://plates, s3://lab/scans`. "
        "Empty: none.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _setting("INFO", "Least severe log line that is written.")

    # the queue (docs/operations.md says how they play together)
    shard_size: int = _setting(32, "Most items in a shard, the unit that one message names.", unit="items", ge=1, le=64)
    publish_window: int = _setting(16, "Most shards waiting in Redis at once.", unit="shards", ge=1, le=1000)
    resend_after: float = _setting(20.0, "A hint without effect for this long is sent again.", unit="s", gt=0)
    lease_seconds: float = _setting(40.0, "How long a claim holds without being renewed.", unit="s", ge=1, le=600)
    max_attempts: int = _setting(3, "Crashes of the worker after which an item fails.", unit="attempts", ge=1, le=10)
    reconcile_interval: float = _setting(1.0, "Pause between two rounds of the reconciler.", unit="s", gt=0)

    # for how long jobs are kept
    abandon_after: float = _setting(
        86400.0,
        "A submission that was interrupted, and that nobody went on with for this long, ends as cancelled.",
        unit="s",
        gt=0,
    )
    retention_days: float | None = _setting(
        None, "How long after its end a job is removed, with all it has. Empty: never.", unit="days", gt=0
    )
    source_retention_days: float | None = _setting(
        None, "How long after a job's end its sources are removed. Empty: with the job.", unit="days", gt=0
    )

    # limits on one image
    min_image_side: int = _setting(16, "Shortest side of an image that is accepted.", unit="px", ge=1)
    max_image_side: int = _setting(32768, "Longest side of an image that is accepted.", unit="px", ge=16, le=65535)
    max_image_pixels: int = _setting(
        128 * 2**20, "Most pixels of an image that is accepted: width times height.", unit="px", ge=256
    )
    max_source_bytes: int = _setting(256 * 2**20, "Largest source file that is accepted.", unit="bytes", ge=1)
    decode_seconds: float = _setting(
        60.0, "How long decoding one image may take, after which the image fails.", unit="s", ge=0.1
    )

    # the worker
    model_path: Path = _setting(DEFAULT_MODEL, "Folder of the checkpoint that the worker loads.")
    worker_device: str = _setting("auto", "`auto`, `cpu`, `cuda` or `cuda:N`. `cuda` without a GPU is an error.")
    worker_precision: str = _setting(
        "auto",
        "Arithmetic of the network: `auto`, `fp32`, `bf16` or `fp16`. `auto` is bf16 where the hardware has it (GPUs "
        "from compute capability 8.0, CPUs with AVX-512 BF16), else fp16 on a GPU and fp32 on a CPU.",
    )
    worker_concurrency: int = _setting(2, "Shards in work at once in one worker process.", unit="shards", ge=1, le=16)
    batch_size: int = _setting(
        0,
        "Most 512×512 tiles in one pass of the network; 0: 4 on a CPU, found by trying on a GPU.",
        unit="tiles",
        ge=0,
        le=1024,
    )
    io_threads: int = _setting(4, "Threads that fetch, decode, encode and store.", unit="threads", ge=1, le=128)
    startup_seconds: float = _setting(
        60.0, "How long a starting worker waits for services that do not answer yet.", unit="s", ge=0
    )
    watchdog_seconds: float = _setting(
        300.0,
        "A worker without progress for this long ends itself, to be started afresh. More than twice DECODE_SECONDS.",
        unit="s",
        ge=5,
    )

    # the admin
    admin_host: str = _setting("127.0.0.1", "Address on which the admin listens.")
    admin_port: int = _setting(8000, "Port of the admin; 0 takes a free one.", ge=0, le=65535)
    admin_username: str = _setting("admin", "Name of the account that the first start makes.")
    admin_password: SecretStr | None = _setting(
        None, "Password of that account. The embedded stack makes one and prints it; elsewhere it has to be given."
    )
    secret_key: SecretStr | None = _setting(
        None, "Key that signs session cookies, 32 random characters or more. The embedded stack makes its own."
    )
    admin_trusted_proxies: int = _setting(
        0, "Reverse proxies before the admin whose X-Forwarded headers are believed.", unit="proxies", ge=0, le=8
    )
    trusted_hosts: str = _setting(
        "",
        "Names under which the admin may be asked for, with commas between them; `*` for any. Empty: this machine's "
        "own where ADMIN_HOST is 127.0.0.1 and there is no trusted proxy, else any.",
    )
    hsts_seconds: int = _setting(
        0,
        "How long browsers that came by https use nothing else for this host name, on any of its ports; 0: not said.",
        unit="s",
        ge=0,
        le=63_072_000,
    )
    allowed_origins: str = _setting(
        "",
        "Origins whose pages may use the API from a browser, such as `https://example.org`, with commas between them; "
        "`*` for any. Empty: none.",
    )
    s3_public_url: str | None = _setting(
        None,
        "Address of the S3 server for users of the API: downloads become links to it that hold for 5 minutes. "
        "Empty: they go through the admin.",
    )
    max_upload_bytes: int = _setting(512 * 2**20, "Largest upload through the web.", unit="bytes", ge=1)

    api_requests_per_minute: int = _setting(
        6000, "Requests that a token may send to the API; 0: any number.", unit="1/min", ge=0, le=1_000_000
    )
    webhook_private_networks: bool = _setting(
        False, "Whether webhooks may have http addresses, and such of private networks."
    )

    # being watched (docs/monitoring.md)
    metrics_host: str = _setting("127.0.0.1", "Address on which a worker and a reconciler answer monitors.")
    metrics_port: int = _setting(
        0, "Port of each worker's and reconciler's metrics and health; 0: none.", ge=0, le=65535
    )
    metrics_token: SecretStr | None = _setting(
        None, "What Prometheus has to present as its bearer token. Empty: the admin shows no metrics.", min_length=16
    )

    # the producer
    delineate_api: str | None = _setting(
        None, "Address of an admin that `producer` works through, by its HTTP API; as `--api`. Empty: the services."
    )
    delineate_token: SecretStr | None = _setting(None, "Token that `producer` shows to that API.")
    upload_threads: int = _setting(8, "Files uploaded or downloaded at once.", unit="threads", ge=1, le=64)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, the first of which wins."""
        return init_settings, SecretsWithTheirOwners(env_settings), SecretsWithTheirOwners(dotenv_settings)

    @field_validator("delineate_home", "model_path")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return (CHECKOUT / path.expanduser()).resolve()

    @model_validator(mode="after")
    def _watchdog_outlasts_decoding(self) -> Self:
        # An image that crashes a decoder is tried in another one before it fails; nothing need move meanwhile.
        if self.watchdog_seconds <= 2 * self.decode_seconds:
            raise ValueError(
                f"WATCHDOG_SECONDS ({self.watchdog_seconds:g}) has to be more than twice DECODE_SECONDS"
                f" ({self.decode_seconds:g})"
            )
        return self

    @cached_property
    def database(self) -> str:
        """SQLAlchemy URL of the database in use."""
        if not self.database_url:
            return home_paths.database_url(self.delineate_home)
        return _with_password("DATABASE_URL", self.database_url, self.database_password)

    @cached_property
    def broker(self) -> str:
        """Celery URL of the broker in use."""
        if not self.broker_url:
            return home_paths.broker_url(self.broker_socket)
        return _with_password("BROKER_URL", self.broker_url, self.broker_password)

    @cached_property
    def store(self) -> str:
        """URL of the object store in use."""
        return self.store_url or (self.delineate_home / "objects").as_uri()

    @cached_property
    def broker_socket(self) -> Path:
        """Unix socket of the embedded broker."""
        return home_paths.broker_socket(self.delineate_home)

    @property
    def is_embedded(self) -> bool:
        """Whether broker, database and store are all those of the embedded stack."""
        return not (self.broker_url or self.database_url or self.store_url)


def _with_password(setting: str, url: str, password: SecretStr | None) -> str:
    return with_password(setting, url, password.get_secret_value() if password else None)


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; `overrides` win over the environment.

    Raises:
        ConfigurationError: a value that does not fit, named with the reason in one line.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper() if first["loc"] else "settings"
        raise ConfigurationError(f"{name}: {first['msg']}. See docs/settings.md.") from error


def child_environment(settings: Settings, **extra: str) -> dict[str, str]:
    """Return the environment for a child process that shall see the same settings, with `extra` variables on top."""
    environment = dict(os.environ) | {"DELINEATE_HOME": str(settings.delineate_home)}
    return environment | extra


# What an interpreter may need in order to start.
_INTERPRETER_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "LANG", "LC_ALL")


def bare_environment(**extra: str) -> dict[str, str]:
    """Return the environment for a child process of ours that is to know no settings, and so no secrets."""
    kept = {name: os.environ[name] for name in _INTERPRETER_VARIABLES if name in os.environ}
    # The child runs the code that we run, whichever of several installations that is.
    search_path = [str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH", "")]
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, search_path))} | extra


def settings_table() -> str:
    """Return the settings as a Markdown table, which `admin settings --markdown` prints for docs/settings.md."""
    lines = ["| setting | default | unit | meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = shown_default(field)
        lines.append(
            f"| `{name.upper()}` | {f'`{default}`' if default else ''} | {_unit(field)} | {field.description} |"
        )
    return "\n".join(lines) + "\n"


def environment_example() -> str:
    """Return the settings as a file for `.env`, all of them commented out, as kept in .env.example."""
    lines = ["# Copy this file to .env and uncomment what shall differ from the default. The environment wins over it."]
    for name, field in Settings.model_fields.items():
        unit = f" [{_unit(field)}]" if _unit(field) else ""
        lines += ["", f"# {field.description}{unit}", f"#{name.upper()}={shown_default(field)}"]
    return "\n".join(lines) + "\n"


def shown_default(field: FieldInfo) -> str:
    """Return a setting's default as people write it, a path in the checkout without the checkout's."""
    default = field.default
    if isinstance(default, Path) and default.is_relative_to(CHECKOUT):
        default = default.relative_to(CHECKOUT)
    return "" if default is None else str(default)


def _unit(field: FieldInfo) -> str:
    return str(field.json_schema_extra["unit"]) if isinstance(field.json_schema_extra, dict) else ""
