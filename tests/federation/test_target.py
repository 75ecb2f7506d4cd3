"""Addresses: one reading for signing, dialling and comparing."""

from __future__ import annotations

import pytest

from node.errors import Unreachable
from node.federation.target import split


@pytest.mark.parametrize(
    ("url", "host", "path", "sent"),
    [
        ("https://b.example", "b.example", "/", "https://b.example/"),
        ("https://B.Example:443/x", "b.example", "/x", "https://b.example/x"),
        ("HTTPS://b.example:8443/x?y#z", "b.example:8443", "/x?y", "https://b.example:8443/x?y"),
        ("http://b.example:80/", "b.example", "/", "http://b.example/"),
        ("https://b.example?q", "b.example", "/?q", "https://b.example/?q"),
        ("https://b.example/a%2Fb?c=d%2Fe&f=%20", "b.example", "/a%2Fb?c=d%2Fe&f=%20", None),
        ("https://b.example/名前", "b.example", "/%E5%90%8D%E5%89%8D", "https://b.example/%E5%90%8D%E5%89%8D"),
        ("https://bücher.example/", "xn--bcher-kva.example", "/", "https://xn--bcher-kva.example/"),
        ("https://[2001:DB8::1]:8443/", "[2001:db8::1]:8443", "/", "https://[2001:db8::1]:8443/"),
    ],
)
def test_addresses_are_read_in_one_way(url, host, path, sent):
    """The bytes signed are the bytes sent: no `%2F` becomes `/` on the way."""
    target = split(url)
    assert (target.host, target.path, target.url) == (host, path, sent or url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "b.example",
        "//b.example/",
        "ftp://b.example/",
        "data:text/plain,x",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "https://a@b.example/",
        "https://a:b@b.example/",
        "https://b.example:/",
        "https://b.example:x/",
        "https://b.example:0/",
        "https://b.example:65536/",
        "https://b.example\\@c.example/",
        "https://b.example\\c",
        "https://b.example/a b",
        "https://b.example/\r\nX: y",
        "https://b.example/\x00",
        "https://b .example/",
        "https://[::1/",
        "https://[::1]x/",
        "https://[fe80::1%25lo]/",
        "https://b..example/",
        "https://.example/",
        "https://b.example/" + "x" * 5000,
        "https://\u2024.example/",
        "https://b.example/\ud800",
        " https://b.example/",
        "https://b%2eexample/",
        "https://b.example,c.example/",
        "https://b.example/<x>",
        "https://[]/",
    ],
)
def test_addresses_that_parsers_read_differently_are_refused(url):
    """security.md §5: userinfo, backslash, blanks, control characters, odd schemes."""
    with pytest.raises(Unreachable) as refused:
        split(url)
    assert refused.value.code == "bad_url"
