"""Who may come in: names that this server answers to, pages that may connect, and the token.

Nothing here trusts a header beyond what it proves: a browser sets Host and Origin itself, any other
program sends what it likes. Headers of proxies are not believed.
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
"""A name whose last part is one is an address, to browsers."""
DEFAULT_PORTS = {"http": 80, "https": 443}


class Headers(Protocol):
    """What is needed of a request's headers; Starlette's have it."""

    def getlist(self, key: str) -> list[str]:
        """All values of a header."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A web origin as browsers compare it: however its case, port or address is written."""

    scheme: str
    host: str
    port: int

    @staticmethod
    def of(text: str) -> Origin | None:
        """From ``https://kiosk.example``, with or without a port or a slash; None if it is none."""
        try:
            parts = urlsplit(text.strip())
            port = parts.port
        except ValueError:
            return None
        scheme, host = parts.scheme.lower(), _plain(parts.hostname or "")
        odd = parts.path not in {"", "/"} or parts.query or parts.fragment or _odd(parts.netloc)
        if scheme not in DEFAULT_PORTS or not host or odd or not text.isascii():
            return None  # browsers send other letters as xn--
        if _NUMBER.fullmatch(host.rpartition(".")[2]) and _address(host) is None:
            return None  # 127.1, which browsers send as 127.0.0.1
        return Origin(scheme, host, DEFAULT_PORTS[scheme] if port is None else port)


def host_and_port(header: str) -> tuple[str, int | None] | None:
    """Of a Host header; None if it is none."""
    try:
        parts = urlsplit(f"//{header.strip()}")
        port = parts.port
    except ValueError:
        return None
    host = _plain(parts.hostname or "")
    if not host or parts.path or parts.query or parts.fragment or _odd(parts.netloc):
        return None
    return host, port


def is_local(host: str) -> bool:
    """Whether a name or an address, from a URL, can only be this machine."""
    host = _plain(host)
    if host in LOCAL_NAMES or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and address.is_loopback


class Access:
    """The rules of one server.

    Args:
        host: the address that it listens at.
        token: what clients must send, or None.
        origins: other origins whose pages may connect; ``*`` for all, ``null`` for pages that have
            none, such as files.
        names: further names that it is reached by.
        secure: whether it speaks TLS. Beyond this machine a page whose name was made to lead here
            then gets nowhere, nor does it with a token: any name is answered.

    Raises:
        ServeError: the token is empty, or an origin or a name is none.
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
                "the token is empty, which would let everybody in: give one that is not, "
                "or none at all"
            )
        self._token = token
        self._every_page = "*" in origins
        self._pages_without = "null" in origins
        pages = {text: Origin.of(text) for text in origins if text not in {"*", "null"}}
        for text, page in pages.items():
            if page is None:
                raise ServeError(
                    f"{text!r} is no web origin{_odd_letters(text)}: give scheme, name and port "
                    "alone, as https://kiosk.example"
                )
        self._pages = set(pages.values())
        for name in names:
            if host_and_port(name) is None or Origin.of(f"http://{name}") is None:
                raise ServeError(
                    f"{name!r} is no name of a machine{_odd_letters(name)}: give one as "
                    "kiosk.example"
                )
        self._local_only = is_local(host)
        self._any_name = (secure or token is not None) and not self._local_only
        machine = socket.gethostname().lower()
        known = {_plain(name) for name in (*names, host)} | {
            page.host for page in pages.values() if page
        }
        self._names = known if self._local_only else known | {machine, f"{machine}.local"}

    def wrong_host(self, headers: Headers) -> str | None:
        """What is wrong with the name that a request is for; None if this server has it.

        A page of somebody's whose name was made to lead here (DNS rebinding) asks for that name.
        An address cannot be made to lead elsewhere.
        """
        given = headers.getlist("host")
        if not given:
            return None  # HTTP/1.0: no browser
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
        """What is wrong with the page that connects; None of ours, those allowed, and programs."""
        given = headers.getlist("origin")
        if not given or self._every_page:
            return None
        if len(given) == 1 and given[0].strip() == "null" and self._pages_without:
            return None
        page = Origin.of(given[0]) if len(given) == 1 else None
        if page is None:
            return "the Origin header is no web origin that may connect"
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
        """Whether a request has the token: of its query, or of its header, the scheme Bearer."""
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
    """Whether a name and a port have more with them: a user, or what follows an address of IPv6."""
    _, bracket, rest = place.rpartition("]")
    return "@" in place or (bool(bracket) and rest[:1] not in {"", ":"})


def _odd_letters(text: str) -> str:
    """Why a name that is right in the address bar is none: what is sent is another."""
    return "" if text.isascii() else " that browsers send (they send such letters as xn--...)"


def _plain(host: str) -> str:
    """A name as it is compared: lower case, no dot at its end; an address in its shortest form."""
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
