"""Where settings come from, as far as pydantic's own sources do not do."""

from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

_OWNERS = {
    "aws_session_token": "aws_access_key_id",
    "database_password": "database_url",
    "broker_password": "broker_url",
}
_ONLY_WITH_OWNER = {"aws_session_token"}


class SecretsWithTheirOwners(PydanticBaseSettingsSource):
    """A source whose secrets go only with what they belong to: a password with its address, a token with its key.

    Where the environment names another database than `.env`, the password in `.env` is not that one's. And a token that
    a login to somewhere else left in the environment does not belong to the keys in `.env`.
    """

    def __init__(self, source: PydanticBaseSettingsSource) -> None:
        super().__init__(source.settings_cls)
        self._source = source

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return what the source itself says of one field."""
        return self._source.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        """Return the source's values."""
        values = dict(self._source())
        for secret, owner in _OWNERS.items():
            if owner in self.current_state or (secret in _ONLY_WITH_OWNER and owner not in values):
                values.pop(secret, None)
        return values
