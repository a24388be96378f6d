"""What accounts and tokens may do. Apart from the accounts, so that a command line can name roles without argon2."""

from enum import StrEnum


class Role(StrEnum):
    """What an account, or one of its tokens, may do. Every account sees every job, see docs/access.md."""

    VIEWER = "viewer"  # look and download
    REVIEWER = "reviewer"  # also grade and correct results
    OPERATOR = "operator"  # also submit, cancel, retry, choose models

    @property
    def may_change(self) -> bool:
        """Whether jobs and models may be changed."""
        return self is Role.OPERATOR

    @property
    def may_review(self) -> bool:
        """Whether results may be graded and corrected."""
        return self is not Role.VIEWER

    def at_most(self, other: "Role") -> "Role":
        """Return what may be done by who has both roles to ask: the lesser of the two."""
        order = list(Role)  # each may all that those before it may
        return min(self, other, key=order.index)
