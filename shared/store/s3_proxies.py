"""Whether requests to an S3 server go through the proxy of the environment, the same for both clients.

HTTP_PROXY, HTTPS_PROXY and NO_PROXY hold as the SDK reads them, but for servers that no proxy could reach: those of
this machine, and those of a stack whose containers know one another by names without a dot.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

from botocore.utils import get_environ_proxies


def proxies_of(url: str) -> dict[str, str]:
    """Return the proxies for an address by the scheme that they serve; none where it is asked without."""
    return {} if _is_near(url) else dict(get_environ_proxies(url))


def proxy_of(url: str) -> str | None:
    """Return the address of the proxy through which `url` is asked."""
    proxy = proxies_of(url).get(urlsplit(url).scheme)
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def proxy_variable(url: str) -> str | None:
    """Return the name of the variable whose proxy serves `url`, or None where it is asked without one."""
    return f"{urlsplit(url).scheme.upper()}_PROXY" if proxy_of(url) else None


def _is_near(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # no address at all: opening the client says so
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return "." not in host or host.endswith(".localhost")
