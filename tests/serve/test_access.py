"""Access control of the server."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from edgeser.errors import ServeError
from edgeser.serve.access import Access, Origin


def headers(**given: str) -> Headers:
    return Headers({name.replace("_", "-"): value for name, value in given.items()})


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("https://kiosk.example", "https://kiosk.example:443"),
        ("https://Kiosk.EXAMPLE/", "https://kiosk.example"),
        ("HTTP://kiosk.example:80", "http://kiosk.example"),
        ("http://kiosk.example.:8080", "http://kiosk.example:8080"),
        ("http://[::1]:80/", "http://[::1]"),
        ("http://[0:0:0::0001]", "http://[::1]"),
        ("http://[2001:DB8:0:0::7]:81", "http://[2001:db8::7]:81"),
    ],
)
def test_origins_are_compared_as_browsers_do(text: str, same_as: str) -> None:
    assert Origin.of(text) == Origin.of(same_as) is not None


@pytest.mark.parametrize(
    "odd",
    [
        *("", "null", "kiosk.example", "http://[", "http://a:99999", "http://a:b", "ftp://a"),
        *("http://", "http://user@kiosk.example", "http://kiosk.example/page", "\udcff"),
        *("http://kiosk.example?q", "http://127.1", "http://2130706433", "http://0x7f.1"),
    ],
)
def test_what_is_no_origin_is_refused_and_named(odd: str) -> None:
    assert Origin.of(odd) is None
    assert Access("127.0.0.1", None).wrong_page(Headers(raw=[(b"origin", b"http://[")]))
    if odd != "null":
        with pytest.raises(ServeError, match="is not a web origin"):
            Access("127.0.0.1", None, [odd])


@pytest.mark.parametrize("name", ["bücher.example", "\u212aiosk.example", "kiosk\u3002example"])
def test_names_that_browsers_send_in_another_form_are_refused(name: str) -> None:
    """Otherwise they would silently never match."""
    with pytest.raises(ServeError, match=r"is not a web origin that browsers send.*xn--"):
        Access("127.0.0.1", None, [f"https://{name}"])
    with pytest.raises(ServeError, match=r"is not a host name that browsers send"):
        Access("127.0.0.1", None, names=[name])
    sent = name.encode("idna").decode()
    access = Access("127.0.0.1", None, [f"https://{sent}"])
    assert access.wrong_page(headers(origin=f"https://{sent}")) is None


@pytest.mark.parametrize(
    ("origin", "host", "may"),
    [
        ("http://127.0.0.1:8765", "127.0.0.1:8765", True),
        ("http://LOCALHOST:8765", "localhost:8765", True),
        ("http://localhost", "localhost:80", True),
        ("https://kiosk.example:443/", "127.0.0.1:8765", True),
        ("http://kiosk.example", "127.0.0.1:8765", False),  # another scheme, another origin
        ("https://kiosk.example.evil.example", "127.0.0.1:8765", False),
        ("http://127.0.0.1:9999", "127.0.0.1:8765", False),
        ("null", "127.0.0.1:8765", False),
    ],
)
def test_pages_of_ours_and_of_those_allowed_may_connect(origin: str, host: str, may: bool) -> None:
    access = Access("127.0.0.1", None, ["https://Kiosk.example/"])
    assert (access.wrong_page(headers(origin=origin, host=host)) is None) == may


def test_every_page_and_pages_without_an_origin_if_it_is_said() -> None:
    odd = headers(origin="null", host="127.0.0.1")
    assert Access("127.0.0.1", None, ["null"]).wrong_page(odd) is None
    assert Access("127.0.0.1", None, ["*"]).wrong_page(headers(origin="http://a")) is None
    two = Headers(raw=[(b"origin", b"http://127.0.0.1"), (b"origin", b"http://a.example")])
    assert Access("127.0.0.1", None).wrong_page(two)


@pytest.mark.parametrize(
    ("listens_at", "asked_for", "ours"),
    [
        ("127.0.0.1", "127.0.0.1:8765", True),
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "LocalHost.:1", True),
        ("127.0.0.1", "[::1]:8765", True),
        ("127.0.0.1", "192.168.1.5", False),
        ("127.0.0.1", "evil.example:8765", False),
        ("127.0.0.1", "localhost.evil.example", False),
        ("127.0.0.1", "127.0.0.1.evil.example", False),
        ("127.0.0.1", "127.0.0.1@evil.example", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "[", False),
        ("127.0.0.1", "[::1].evil.example", False),
        ("127.0.0.1", "[::1", False),
        ("127.0.0.1", "::1]", False),
        ("127.0.0.1", "[0:0:0:0:0:0:0:1]", True),
        ("127.0.0.1", "localhost\xad", False),
        ("0.0.0.0", "192.168.1.5:8765", True),
        ("0.0.0.0", "evil.example", False),
        ("0.0.0.0", "kiosk.lan:8765", True),
        ("0.0.0.0", "page.example", True),
    ],
)
def test_a_name_that_was_made_to_lead_here_is_not_answered(
    listens_at: str, asked_for: str, ours: bool
) -> None:
    access = Access(listens_at, None, ["https://page.example"], ["kiosk.lan"])
    assert (access.wrong_host(headers(host=asked_for)) is None) == ours


@pytest.mark.parametrize(("token", "secure"), [(None, True), ("s3cret", False)])
def test_tls_or_a_token_keep_such_pages_out_by_themselves(token: str | None, secure: bool) -> None:
    asked = headers(host="a.example")
    assert Access("0.0.0.0", token, secure=secure).wrong_host(asked) is None
    assert Access("127.0.0.1", token, secure=secure).wrong_host(asked)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_token_is_known(scheme: str) -> None:
    access = Access("127.0.0.1", "geheim-ü")
    sent = f"{scheme}  geheim-ü".encode()
    assert access.knows_token(None, Headers(raw=[(b"authorization", sent)]))
    assert access.knows_token("geheim-ü", headers())
    for wrong in ("geheim-ü", "Basic geheim-ü", "Bearer", "Bearer x", "Bearer geheim-ü x"):
        raw = [(b"authorization", wrong.encode())]
        assert not access.knows_token(None, Headers(raw=raw))
    assert not access.knows_token("", headers())


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_token_lets_nobody_in(empty: str) -> None:
    with pytest.raises(ServeError, match="would admit everybody"):
        Access("127.0.0.1", empty)


def test_a_token_that_no_request_can_have_is_refused() -> None:
    """Otherwise every comparison with it would fail with an error."""
    with pytest.raises(ServeError, match="is not text"):
        Access("127.0.0.1", "s3cr\udcffet")


@pytest.mark.parametrize("odd", ["a b", "", "http://kiosk.lan", "<kiosk>", "kiosk/lan", "me@kiosk"])
def test_what_is_no_name_is_refused(odd: str) -> None:
    with pytest.raises(ServeError, match="is not a host name"):
        Access("127.0.0.1", None, names=[odd])
