"""Whom the owner shuts out: one spelling of every domain, and the lists that Mastodon exports."""

from __future__ import annotations

import csv
import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

import idna

from node.model import host_of, origin_of

_PORT = re.compile(r":\d{0,5}$")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?")
_ACCOUNT = re.compile(r"@?([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})@([^@\s/]+)")


@lru_cache(maxsize=4096)
def normal_host(written: str) -> str | None:
    """The one spelling of a host: lower case, A-labels (UTS 46), no trailing dot, no port; None if it is no host.

    Several servers can share one numeric address or `localhost`, as they do at home and in tests:
    there alone a port is part of the name.
    """
    bare = written.strip().rstrip("/")
    port = _PORT.search(bare) if bare.count(":") == 1 or "]" in bare else None
    if port is not None:
        bare = bare[: port.start()]
    bare = bare.strip("[]")
    tail = f":{port[0][1:]}" if port is not None and len(port[0]) > 1 else ""
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        name = _a_labels(bare)
        return name + tail if name == "localhost" else name
    return (f"[{address}]" if address.version == 6 else str(address)) + tail


def _a_labels(host: str) -> str | None:
    lowered = host[:1024].lower().rstrip(".")
    try:
        spelled = idna.encode(lowered, uts46=True, transitional=False).decode().lower().rstrip(".")
    except (idna.IDNAError, UnicodeError):
        spelled = lowered  # an underscore, or a label that IDNA forbids and DNS does not
    return spelled if spelled.isascii() and _HOST.fullmatch(spelled) else None


def _and_above(host: str) -> list[str]:
    """A host, what it is a part of, and, where ports count, itself without one."""
    if host.endswith("]") or host[0] == "[":
        return [host, host.partition("]")[0] + "]"]
    bare, _, port = host.partition(":")
    labels = bare.split(".")
    parents = [".".join(labels[start:]) for start in range(len(labels))] if not labels[-1].isdigit() else [bare]
    return [host, *parents] if port else parents


def account_key(iri: str) -> str:
    """The one spelling of an account's id: its origin normalised, its path as it is, no fragment."""
    try:
        parts = urlsplit(iri.partition("#")[0])
    except ValueError:
        return iri
    scheme, _, authority = origin_of(iri).partition("://")
    port = _PORT.search(authority)
    host = normal_host(authority)
    if host is None:
        return iri.partition("#")[0]
    shown = host if port is None or host.endswith(port[0]) else host + port[0]
    return f"{scheme}://{shown}{parts.path}" + (f"?{parts.query}" if parts.query else "")


@dataclass(frozen=True, slots=True)
class BlockList:
    """Accounts by the key of their id, handles (`name@host`) of accounts not met yet, domains in their one spelling."""

    accounts: frozenset[str] = frozenset()
    handles: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.accounts or self.handles or self.domains)

    def covers_host(self, host: str) -> bool:
        """Whether a host, however spelled, is blocked itself or lies below one that is."""
        if not self.domains:
            return False
        name = normal_host(host)
        return name is not None and not self.domains.isdisjoint(_and_above(name))

    def covers(self, iri: str) -> bool:
        """Whether an id is that of a blocked account, or lies on a blocked domain."""
        if self.covers_host(host_of(iri)):
            return True
        return bool(self.accounts) and account_key(iri) in self.accounts

    def names(self, *handles: str | None) -> bool:
        """Whether one of these handles is blocked."""
        wanted = (normal_handle(handle) for handle in handles if handle)
        return bool(self.handles) and any(handle in self.handles for handle in wanted)


def normal_handle(written: str) -> str | None:
    """`@Name@HOST.` as `name@host`; None for anything else."""
    match = _ACCOUNT.fullmatch(written.strip().removeprefix("acct:"))
    if match is None:
        return None
    host = normal_host(match[2])
    port = _PORT.search(match[2])
    if host is None:
        return None
    shown = host if port is None or host.endswith(port[0]) else host + port[0]
    return f"{match[1].lower()}@{shown}"


# ── lists from elsewhere ─────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list: an account (`name@host`) or a domain, with what was noted beside it."""

    kind: str
    value: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """What a list says to block. `skipped` are lines that say something else, or nothing that can be read."""

    entries: tuple[Entry, ...]
    skipped: tuple[str, ...]


def read_list(text: str) -> Imported:
    """Read blocked_accounts.csv or domain_blocks.csv as Mastodon exports them, or one account or domain a line.

    The administrators' list has a header, `#domain,#severity,…`: of its lines only `suspend` blocks,
    since `silence` and `noop` mean less. A list with no severities blocks all it names.
    """
    rows = [row for row in csv.reader(text.removeprefix("\ufeff").splitlines()) if any(cell.strip() for cell in row)]
    columns: dict[str, int] = {}
    if rows and (names := [cell.strip().lower().lstrip("#").strip() for cell in rows[0]])[0] in _HEADERS:
        columns = {name: place for place, name in enumerate(names)}
        rows = rows[1:]
    found: dict[tuple[str, str], Entry] = {}
    skipped: list[str] = []
    for row in rows:
        value = row[0].strip()
        if value.startswith("#"):
            continue
        severity = _cell(row, columns, "severity")
        entry = _entry(value, _cell(row, columns, "public_comment") or _cell(row, columns, "private_comment"))
        if entry is None or severity.lower() not in ("", "suspend"):
            skipped.append(f"{value} ({severity})" if severity else value)
        else:
            found.setdefault((entry.kind, entry.value), entry)
    return Imported(tuple(found.values()), tuple(skipped))


_HEADERS = frozenset(("domain", "account address", "account"))


def _cell(row: list[str], columns: dict[str, int], name: str) -> str:
    place = columns.get(name)
    return row[place].strip()[:500] if place is not None and place < len(row) else ""


def _entry(value: str, comment: str) -> Entry | None:
    handle = normal_handle(value)
    if handle is not None:
        return Entry("account", handle, comment)
    domain = normal_domain(value)
    return None if domain is None else Entry("domain", domain, comment)


def normal_domain(written: str) -> str | None:
    """A domain as an owner writes it (`*.example.org` means example.org as well); None if it is none."""
    bare = written.strip().removeprefix("*.")
    host = None if "@" in bare or "/" in bare else normal_host(bare)
    if host is None or ("." not in host and ":" not in host and host != "localhost"):
        return None
    return host
