"""Access control: the host names of this server, the allowed web origins, and the token.

Headers are trusted only as far as they prove something: browsers set Host and Origin themselves,
but any other program can send any value. Headers of proxies are ignored.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from edgeser.errors import ServeError

LOCAL_NAMES = ("localhost", "ip6-localhost")
_NUMBER = re.compile("[0-9]+|0x[0-9a-f]*")
"""Browsers treat a name whose last part is a number as an IP address."""
DEFAULT_PORTS = {"http": 80, "https": 443}


class Headers(Protocol):
    """The part of a request's headers that is used here; Starlette's class has it."""

    def getlist(self, key: str) -> list[str]:
        """All values of one header."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A web origin in normal form: case, default port and address spelling do not matter."""

    scheme: str
    host: str
    port: int

    @staticmethod
    def of(text: str) -> Origin | None:
        """Parses ``https://kiosk.example``, perhaps with port or slash; None for anything else."""
        try:
            parts = urlsplit(text.strip())
            port = parts.port
        except ValueError:
            return None
        scheme, host = parts.scheme.lower(), _plain(parts.hostname or "")
        odd = parts.path not in {"", "/"} or parts.query or parts.fragment or _odd(parts.netloc)
        if scheme not in DEFAULT_PORTS or not host or odd or not text.isascii():
            return None  # browsers send non-ASCII names as xn--
        if _NUMBER.fullmatch(host.rpartition(".")[2]) and _address(host) is None:
            return None  # 127.1: browsers send it as 127.0.0.1
        return Origin(scheme, host, DEFAULT_PORTS[scheme] if port is None else port)


def host_and_port(header: str) -> tuple[str, int | None] | None:
    """Host and port of a Host header; None if the header is malformed."""
    try:
        parts = urlsplit(f"//{header.strip()}")
        port = parts.port
    except ValueError:
        return None
    host = _plain(parts.hostname or "")
    if not host or parts.path or parts.query or parts.fragment or _odd(parts.netloc):
        return None
    return None if any(c.isspace() or c in "<>\"'\\" for c in host) else (host, port)


def is_text(text: str) -> bool:
    """Whether UTF-8 can encode a text: not if it has bytes that Python could not decode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_local(host: str) -> bool:
    """Whether a host name or address from a URL always means this machine."""
    host = _plain(host)
    if host in LOCAL_NAMES or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and address.is_loopback


class Access:
    """The access rules of one server.

    Args:
        host: the address that the server listens at.
        token: the token that clients must send, or None.
        origins: further origins whose pages may connect; ``*`` for all, ``null`` for pages
            without an origin, such as files.
        names: further host names of this server.
        secure: whether the server speaks TLS. With TLS or with a token any host name is
            accepted: DNS rebinding then fails anyway, for pages on other machines.

    Raises:
        ServeError: the token is empty or no text, or an origin or a name is malformed.
    """

    def __init__(
        self,
        host: str,
        token: str | None,
        origins: Sequence[str] = (),
        names: Sequence[str] = (),
        secure: bool = False,
    ) -> None:
        if token is not None and not token.strip():
            raise ServeError(
                "the token is empty, which would admit everybody: set one, or pass no token"
            )
        if token is not None and not is_text(token):
            raise ServeError("the token is not text that UTF-8 can encode: give another one")
        self._token = token
        self._every_page = "*" in origins
        self._pages_without = "null" in origins
        pages = {text: Origin.of(text) for text in origins if text not in {"*", "null"}}
        for text, page in pages.items():
            if page is None:
                raise ServeError(
                    f"{text!r} is not a web origin{_odd_letters(text)}: give only scheme, host "
                    "and port, such as https://kiosk.example"
                )
        self._pages = set(pages.values())
        for name in names:
            if host_and_port(name) is None or Origin.of(f"http://{name}") is None:
                raise ServeError(
                    f"{name!r} is not a host name{_odd_letters(name)}: give one "
                    "such as kiosk.example"
                )
        self._local_only = is_local(host)
        self._any_name = (secure or token is not None) and not self._local_only
        machine = socket.gethostname().lower()
        known = {_plain(name) for name in (*names, host)} | {
            page.host for page in pages.values() if page
        }
        self._names = known if self._local_only else known | {machine, f"{machine}.local"}

    def wrong_host(self, headers: Headers) -> str | None:
        """Why the Host header of a request is wrong; None if it names this server.

        This stops DNS rebinding: a foreign page whose own name was made to resolve to this machine
        sends that name. An IP address cannot be rebound.
        """
        given = headers.getlist("host")
        if not given:
            return None  # HTTP/1.0: not a browser
        target = host_and_port(given[0]) if len(given) == 1 else None
        if target is None:
            return "the Host header is none"
        host, _ = target
        if self._any_name or host in self._names or is_local(host):
            return None
        if not self._local_only and _address(host) is not None:
            return None
        return (
            "this server does not answer to that name: start it with --name NAME if it should, "
            "or use its address"
        )

    def wrong_page(self, headers: Headers) -> str | None:
        """Why the page that connects is refused; None for our pages, allowed ones, and programs."""
        given = headers.getlist("origin")
        if not given or self._every_page:
            return None
        if len(given) == 1 and given[0].strip() == "null" and self._pages_without:
            return None
        page = Origin.of(given[0]) if len(given) == 1 else None
        if page is None:
            return "the Origin header is not a web origin that may connect"
        if page in self._pages:
            return None
        hosts = headers.getlist("host")
        target = host_and_port(hosts[0]) if len(hosts) == 1 else None
        if target is not None:
            host, port = target
            if (page.host, page.port) == (
                host,
                DEFAULT_PORTS[page.scheme] if port is None else port,
            ):
                return None
        return "pages of that origin may not connect: start the server with --origin for it"

    def knows_token(self, query: str | None, headers: Headers) -> bool:
        """Whether a request has the token, in its query or as a Bearer token in its header."""
        if self._token is None:
            return True
        given = [] if query is None else [query.encode()]
        for header in headers.getlist("authorization"):
            scheme, _, rest = header.strip().partition(" ")
            if scheme.lower() == "bearer":
                given.append(rest.strip().encode("latin-1", "replace"))  # as it was sent
        wanted = self._token.encode()
        return any([hmac.compare_digest(one, wanted) for one in given])  # noqa: C419  no short cut


def _odd(place: str) -> bool:
    """Whether a host and port contain more: a user name, or text after an IPv6 address."""
    _, bracket, rest = place.rpartition("]")
    return "@" in place or (bool(bracket) and rest[:1] not in {"", ":"})


def _odd_letters(text: str) -> str:
    """Explains why a name with non-ASCII letters is refused: browsers send its xn-- form."""
    return "" if text.isascii() else " that browsers send (they send such letters as xn--...)"


def _plain(host: str) -> str:
    """A host name for comparison: lower case, without a final dot; addresses in shortest form."""
    plain = host.lower().removesuffix(".").removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        return plain


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped
