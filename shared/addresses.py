"""Addresses of servers with a user and a password in them: read strictly, so that no part of a password gets lost.

A `#`, `@`, `/` or `%` in a password that is written as it is moves the borders of a URL: what is then taken for the
host, and told in errors, is a piece of the password. So an address that a careful reader could not have meant is
refused, in words that hold nothing of it.
"""

import re
from urllib.parse import quote

from shared.errors import ConfigurationError

_SAFE = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
_ADDRESS = re.compile(
    rf"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)"
    rf"(?:(?P<user>{_SAFE}*)(?P<password>:(?:{_SAFE}|:)*)?@)?"
    rf"(?P<host>\[[0-9A-Fa-f:.]+\]|{_SAFE}*)(?P<port>:[0-9]+)?"
    r"(?P<rest>(?:/[^?#@\s]*)?(?:\?(?:[^#@=\s]+=[^#\s]*)?)?)"
)
_SEVERAL = re.compile(r";(?=[a-z+]+://)")


def checked_address(setting: str, url: str) -> str:
    """Return `url` itself, or say which characters of its password have to be written otherwise.

    Raises:
        ConfigurationError: it has a user or a password with characters that mean something else in a URL.
    """
    addresses = _SEVERAL.split(url)  # sentinels, say
    if "@" in url and not all(_ADDRESS.fullmatch(address) for address in addresses):
        raise ConfigurationError(
            f"{setting}: percent-encode what is special in its user or password (%23 for #, %40 for @, %2F for /, "
            f"%3A for :, %3F for ?, %25 for %, %20 for a blank), or give the password as {_apart(setting)}"
        )
    return url


def with_password(setting: str, url: str, password: str | None) -> str:
    """Return `url` with a password that is given apart from it, as it is, where it has a host and no password.

    Raises:
        ConfigurationError: it has characters that mean something else in a URL.
    """
    match = _ADDRESS.fullmatch(checked_address(setting, url)) if password else None
    if not (password and match and match["host"]) or match["password"]:
        return url
    parts = match.groupdict(default="")
    user = f"{parts['user']}:{quote(password, safe='')}"
    return f"{parts['scheme']}{user}@{parts['host']}{parts['port']}{parts['rest']}"


def _apart(setting: str) -> str:
    return setting.removesuffix("_URL") + "_PASSWORD"
