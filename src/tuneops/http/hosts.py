"""Two kinds of hosts: Google's, which may see a token, and this machine, which needs none."""

import ipaddress
import re
from urllib.parse import urlsplit

_GOOGLE = re.compile(r"([a-z0-9-]+\.)+googleapis\.com", re.ASCII)


def is_loopback(host: str) -> bool:
    """Say whether a host, as parsed from a URL, is this machine by name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_google(url: str) -> bool:
    """Say whether a URL is one that a token may be sent to: `https://*.googleapis.com`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme == "https"
        and _GOOGLE.fullmatch(parts.hostname or "") is not None
        and port in (None, 443)
        and parts.username is None
        and parts.password is None
    )
