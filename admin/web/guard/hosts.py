"""Under which names the admin answers.

A page of others can make a name of its own lead to 127.0.0.1, and a browser then takes the admin there for a part of
that page (DNS rebinding). So where this machine alone can reach the admin, it answers by this machine's names.
"""

from flask import Flask, request

from admin.web.guard.network import is_loopback
from admin.web.guard.security_log import note_refusal
from admin.web.refusals import Refused
from shared.config import Settings

_ANY = "*"
_OWN = frozenset({"localhost", "127.0.0.1", "[::1]"})
# Load balancers ask by address.
_WITHOUT_NAME = frozenset({"health.live", "health.ready", "metrics.show"})


def init_app(app: Flask, settings: Settings) -> None:
    """Refuse what is asked for under other names."""
    names = _names(settings)
    if names is not None:
        app.before_request(lambda: _require(names))


def _names(settings: Settings) -> frozenset[str] | None:
    """The names; None: any."""
    given = frozenset(settings.trusted_hosts.lower().replace(",", " ").split())
    if _ANY in given:
        return None
    if given:
        return given | _OWN
    if settings.admin_trusted_proxies or not is_loopback(settings.admin_host):
        return None
    host = settings.admin_host.lower()
    return _OWN | {f"[{host}]" if ":" in host and not host.startswith("[") else host}


def _require(names: frozenset[str]) -> None:
    if "Host" not in request.headers:  # no browser: HTTP/1.0, as old proxies and probes speak it
        return
    host = request.host.lower()
    name = host if host.endswith("]") else host.rpartition(":")[0] if ":" in host else host
    if name not in names and request.endpoint not in _WITHOUT_NAME:
        note_refusal("host_refused", f"{request.method} of the host {host[:100]!r}", outcome="400")
        raise Refused(400, f"The admin does not answer as {name[:100]}: who runs it adds that to TRUSTED_HOSTS.")
