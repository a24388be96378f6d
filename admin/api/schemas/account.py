"""Whose token it is, as the API gives it."""

from admin.api.schemas.base import Response, Time
from admin.domain.roles import Role


class Me(Response):
    """Whose token it is, and what it may do."""

    account: str
    role: Role
    token: str
    expires_at: Time | None
