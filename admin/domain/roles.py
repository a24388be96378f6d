"""What accounts and tokens may do. Apart from the accounts, so that a command line can name roles without argon2."""

from enum import StrEnum


class Role(StrEnum):
    """What an account, or one of its tokens, may do. Every account sees every job, see docs/access.md."""

    VIEWER = "viewer"  # look and download
    OPERATOR = "operator"  # also submit, cancel, retry, choose models

    @property
    def may_change(self) -> bool:
        """Whether jobs and models may be changed."""
        return self is Role.OPERATOR
