"""Whose an address is."""

import ipaddress


def client_network(address: str) -> str:
    """Return what stands for one client.

    That is a /64 of IPv6, and one address of IPv4, also where a proxy writes it as `::ffff:…`.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped or ipaddress.ip_network((parsed, 64), strict=False))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
