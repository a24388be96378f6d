"""The embedded stack: everything on one machine in one command, with no server installed by hand.

    stack       the whole course, from the lock on the data folder to the last child's end
    parts       which processes there are, with which settings
    supervisor  keeps children running, stops them in order      child, backoff, output, signals: its pieces
    home        the data folder and its lock                     state: what a killed stack left behind
    broker      Valkey out of a wheel                            first_account, readiness, foreground, announcements

Needs the `standalone` extra.
"""

from admin.standalone.stack import Options, run

__all__ = ["Options", "run"]
