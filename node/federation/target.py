"""An http(s) address, read in one way: what is signed, dialled and compared is the same. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

import idna

from node.errors import Unreachable

# RFC 3986 §2.2–2.3, with "%", and five more characters that real addresses carry unescaped.
_IN_PATH = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/?[]@!$&'()*+,;=%^`{|}")
_IN_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-._")
_IN_LITERAL = frozenset("0123456789abcdef:.")
_SAFE = "".join(sorted(_IN_PATH))
MAX_URL = 4096
"""Characters."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address taken apart the way it goes on the wire."""

    url: str
    """ASCII, without fragment: what is dialled, byte for byte."""
    scheme: str
    host: str
    """The Host header: lower case, default port left out."""
    path: str
    """Path and query."""


@lru_cache(maxsize=8192)
def split(url: str) -> Target:
    """Take an http(s) address apart, once and for all: signing, dialling and comparing use this reading.

    Strict where parsers differ (userinfo, backslash, blanks, control characters, an empty host):
    raises Unreachable(bad_url).
    """
    head, mark, rest = url.partition("://")
    scheme = head.lower()
    if not mark or scheme not in ("https", "http") or len(url) > MAX_URL:
        raise _bad_url(url, "only http(s) addresses can be asked")
    rest = rest.partition("#")[0]
    end = min((at for at in (rest.find("/"), rest.find("?"), rest.find("\\")) if at >= 0), default=len(rest))
    authority, path = rest[:end], rest[end:]
    if not path.startswith("/"):
        path = "/" + path
    if not _IN_PATH.issuperset(path):
        if not path.isprintable() or any(c in path for c in ' \\<>"'):
            raise _bad_url(url, "there is a character in it that no address has")
        try:
            path = quote(path, safe=_SAFE)
        except UnicodeEncodeError:
            raise _bad_url(url, "there is a character in it that no address has") from None
    host = _authority(url, authority, scheme)
    return Target(url=f"{scheme}://{host}{path}", scheme=scheme, host=host, path=path)


def _authority(url: str, authority: str, scheme: str) -> str:
    """Host and non-default port, in the one spelling we use."""
    if authority.startswith("["):
        literal, bracket, after = authority[1:].partition("]")
        host, colon, port = f"[{literal.lower()}]", after[:1], after[1:]
        fine = bool(bracket and literal) and _IN_LITERAL.issuperset(literal.lower()) and colon in ("", ":")
    else:
        name, colon, port = authority.partition(":")
        host = name.lower()
        if not host.isascii():
            try:
                host = idna.encode(name, uts46=True).decode("ascii")
            except (idna.IDNAError, UnicodeError):
                raise _bad_url(url, "its host is not a name") from None
        fine = bool(host) and _IN_HOST.issuperset(host) and host[0] != "." and ".." not in host
    if not fine or (colon and not port) or len(host) > 255:
        raise _bad_url(url, "its host is not a name or an address")
    if not port:
        return host
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 65535):
        raise _bad_url(url, "its port is not a port")
    number = int(port)
    return host if number == (443 if scheme == "https" else 80) else f"{host}:{number}"


def _bad_url(url: str, why: str) -> Unreachable:
    return Unreachable(f"cannot ask {url[:200]!r}: {why}", code="bad_url")
