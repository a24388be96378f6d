"""Who works at the keyboard, for the rows that say who did something."""

import os
import pwd
import socket


def user_at_host() -> str:
    """`user@host`; the user's number where it has no name, as in many containers."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
