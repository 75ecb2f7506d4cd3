"""What a friend would look at when something is wrong: directory, disk, keys, database, files, apps, address, clock."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote, urlsplit

from keys import canonical
from keys.passphrase import Passphrase
from node import app, founding, running
from node.app import Node
from node.errors import BadDocument, CuicuiError, Unreachable
from node.model import Clock
from node.settings import FILE, Settings
from node.storage import actors as stored
from node.storage import arrivals, hosts, notes, profile, push, queue, remote_media
from node.storage.schema import HEAD

LITTLE_SPACE = 256 << 20
NO_SPACE = 16 << 20
FEW_FILES = 1024
SKEW = timedelta(minutes=5)
"""Signatures name the time; a clock that is an hour off cuts the node off, and five minutes are a warning."""


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    about: str
    said: str
    hint: str | None = None


async def look(settings: Settings, passphrase: Passphrase, clock: Clock) -> list[Finding]:
    """Everything that can be looked at; what fails does not keep the rest from being looked at."""
    found = [*_directory(settings), *_disk(settings), *_files(), *_listening(settings), *_proxy(settings)]
    found += _networks(settings)
    if not founding.exists(settings) and settings.database_url is None:
        error = app.no_node(settings.data)
        return [*found, Finding(Level.FAIL, "node", error.message, error.hint)]
    async with AsyncExitStack() as stack:
        try:
            node = await stack.enter_async_context(app.opened(settings, passphrase=passphrase, clock=clock))
        except CuicuiError as error:
            return [*found, Finding(Level.FAIL, "node", error.message, error.hint)]
        for part in (_keys, _database, _left, _password, _media, _cache, _owed, _push, _address):
            try:
                found += await part(node)
            except CuicuiError as error:
                found.append(Finding(Level.FAIL, part.__name__.strip("_"), error.message, error.hint))
    return found


def _directory(settings: Settings) -> list[Finding]:
    data = settings.data
    try:
        mode = stat.S_IMODE(data.stat().st_mode)
    except OSError as error:
        return [Finding(Level.FAIL, "directory", f"{data}: {error.strerror}", "name another with --data")]
    if mode & 0o077:
        return [
            Finding(Level.WARN, "directory", f"{data} is open to others (mode {mode:04o})", f"run: chmod 700 {data}")
        ]
    return [Finding(Level.OK, "directory", f"{data} is private to its owner")]


def _disk(settings: Settings) -> list[Finding]:
    try:
        free = shutil.disk_usage(settings.data).free
    except OSError:
        return []  # said by _directory()
    said = f"{free / (1 << 30):.1f} GiB free" if free > 1 << 30 else f"{free >> 20} MiB free"
    if free < LITTLE_SPACE:
        level = Level.FAIL if free < NO_SPACE else Level.WARN
        return [Finding(level, "disk", said, "free some space: a full disk stops posting and receiving")]
    return [Finding(Level.OK, "disk", said)]


def _files() -> list[Finding]:
    """The limit of this shell; `cuicui run` raises it as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = running.MOST_FILES if hard == resource.RLIM_INFINITY else hard
    if highest < FEW_FILES:
        return [
            Finding(Level.WARN, "limits", f"at most {highest} open files", "raise it with ulimit -n, or LimitNOFILE=")
        ]
    return [Finding(Level.OK, "limits", f"{soft} open files, up to {highest} for a running node")]


def _listening(settings: Settings) -> list[Finding]:
    base, here = settings.base_url, founding.default_listen(settings.base_url)
    if here is not None and here != settings.listen:
        return [
            Finding(
                Level.WARN,
                "listen",
                f"the node listens on {settings.listen}, and its address is {base}",
                f"nobody finds it unless something passes {here} on; or run: cuicui run --listen {here}",
            )
        ]
    if here is not None:
        return [
            Finding(Level.WARN, "listen", f"{base} is reached from this machine only", "that is right for trying it")
        ]
    if settings.listen_host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return [
            Finding(
                Level.WARN,
                "listen",
                f"{settings.listen} is open to every network without TLS",
                "listen on 127.0.0.1, behind a proxy",
            )
        ]
    if urlsplit(base).scheme == "http":
        return [Finding(Level.WARN, "listen", f"{base} is plain http", "other servers ask for https")]
    return [Finding(Level.OK, "listen", f"{settings.listen}, known to others as {base}")]


def _proxy(settings: Settings) -> list[Finding]:
    """Whoever is known under another address than the one listened on has a proxy in front."""
    if settings.trusted_proxies:
        named = ", ".join(map(str, settings.trusted_proxies))
        return [Finding(Level.OK, "proxy", f"{named} may say in X-Forwarded-For whom it speaks for")]
    if founding.default_listen(settings.base_url) is not None:
        return []
    said = "none is trusted: all who come through it share one address, and its limits"
    hint = f'if it sets X-Forwarded-For: trusted_proxies = ["127.0.0.1", "::1"] in {FILE}'
    return [Finding(Level.WARN, "proxy", said, hint)]


def _networks(settings: Settings) -> list[Finding]:
    if not settings.allow_networks:
        return [Finding(Level.OK, "networks", "only public addresses are dialled")]
    named = ", ".join(map(str, settings.allow_networks))
    return [
        Finding(
            Level.WARN,
            "networks",
            f"the node may dial {named}, also by plain http",
            "right for tests and at home; strangers can make it call there, so leave it empty on a public node",
        )
    ]


async def _keys(node: Node) -> list[Finding]:
    """Opening the node loaded them; are they the ones by which the posts here are signed?"""
    async with node.store.read() as tx:
        known = await notes.own_key(tx)
    key = node.keys.identity.public
    if known is not None and known != key.multikey:
        return [
            Finding(
                Level.FAIL,
                "keys",
                f"the identity on disk is not the one of this database ({known})",
                "database and keys come from different backups; restore both from one",
            )
        ]
    return [Finding(Level.OK, "keys", f"load; fingerprint {key.fingerprint}")]


async def _database(node: Node) -> list[Finding]:
    complaints = await node.store.check()
    if complaints:
        hint = "stop the node, and restore the newest backup or snapshot"
        return [Finding(Level.FAIL, "database", f"damaged: {complaints[0]}", hint)]
    schema = await node.store.version()
    if schema != HEAD:
        return [Finding(Level.FAIL, "database", f"schema {schema}, this program wants {HEAD}", "run: cuicui run")]
    return [Finding(Level.OK, "database", f"whole, schema {schema}")]


async def _left(node: Node) -> list[Finding]:
    async with node.store.read() as tx:
        gone = await stored.is_gone(tx, node.ids.actor)
    if not gone:
        return []
    said = "this account was deleted everywhere with cuicui leave; nothing is written or received any more"
    return [Finding(Level.WARN, "account", said, "keep it running some days, so that all are told")]


async def _password(node: Node) -> list[Finding]:
    async with node.store.read() as tx:
        there = await profile.password_hash(tx) is not None
    if there:
        return [Finding(Level.OK, "password", "is set: apps can be let in")]
    return [Finding(Level.WARN, "password", "none is set: no app can be let in", "set one: cuicui password")]


async def _media(node: Node) -> list[Finding]:
    """Where pictures go: the directory, or what it will be made in."""
    root, limit = node.settings.media, max(node.settings.image_limit, node.settings.recording_limit)
    if (stuck := _unwritable(root)) is not None:
        return [Finding(Level.FAIL, "media", f"{stuck} cannot be written: no picture can be posted", "check its owner")]
    return [Finding(Level.OK, "media", f"{root} can be written; files of up to {limit} MiB are taken")]


async def _cache(node: Node) -> list[Finding]:
    room = node.settings.media_cache_size
    if (stuck := _unwritable(node.settings.cache)) is not None:
        said = f"{stuck} cannot be written: no picture of others can be shown"
        return [Finding(Level.FAIL, "cache", said, "check its owner")]
    async with node.store.read() as tx:
        used = await remote_media.total(tx)
    said = f"{used >> 20} of {room} MiB used for other people's pictures"
    if shutil.disk_usage(node.settings.data).free < (room << 20) - used:
        hint = f"make it smaller: media_cache_size in {FILE}"
        return [Finding(Level.WARN, "cache", f"{said}, and the disk has less room than that", hint)]
    return [Finding(Level.OK, "cache", said)]


def _unwritable(directory: Path) -> Path | None:
    """What keeps files from being written there; the directory itself need not be there yet."""
    for there in (directory, *directory.parents):
        if there.exists():
            return None if there.is_dir() and os.access(there, os.W_OK | os.X_OK) else there
    return directory


async def _push(node: Node) -> list[Finding]:
    async with node.store.read() as tx:
        apps = await push.subscribed(tx)
        owed = await push.waiting(tx)
        why = await push.trouble(tx)
    said = f"{apps} apps are told of notifications; {owed} owed"
    if why is not None:
        return [Finding(Level.WARN, "push", f"{said}; {why}", "it is tried again for two days")]
    return [Finding(Level.OK, "push", said)]


async def _owed(node: Node) -> list[Finding]:
    async with node.store.read() as tx:
        total = await queue.waiting(tx)
        owed = await queue.overview(tx)
        _, parked = await arrivals.waiting(tx)
        silent = await hosts.dormant(tx)
    found = []
    failing = [item for item in owed if item.attempts]
    said = f"{total} deliveries owed"
    if total and not running.is_running(node.settings.data):
        found.append(Finding(Level.WARN, "queue", f"{said}, and the node does not run", "start it: cuicui run"))
    elif failing:
        first = failing[0]
        found.append(Finding(Level.WARN, "queue", f"{said}; {first.inbox}: {first.error}", "see: cuicui queue"))
    else:
        found.append(Finding(Level.OK, "queue", said))
    if parked:
        found.append(Finding(Level.WARN, "arrivals", f"{parked} could not be applied", "see: cuicui queue"))
    if silent:
        named = ", ".join(silent[:5]) + (" …" if len(silent) > 5 else "")
        found.append(Finding(Level.WARN, "hosts", f"{len(silent)} silent for a week, not tried any more: {named}"))
    return found


async def _address(node: Node) -> list[Finding]:
    """As others see it: the address, WebFinger, and the clock, asked through the node's own way out."""
    base, acct = node.ids.base, node.ids.acct
    if not running.is_running(node.settings.data):
        return [Finding(Level.WARN, "address", f"{base} was not asked: the node does not run", "start it: cuicui run")]
    url = f"{base}/.well-known/webfinger?resource={quote(f'acct:{acct}', safe='')}"
    before = time.monotonic()
    try:
        answer = await node.client.get(url, accept="application/jrd+json")
    except Unreachable as error:
        if error.code == "refused_address":
            return [Finding(Level.WARN, "address", f"{base} is not a public address, and was not asked", error.hint)]
        hint = "check DNS, the proxy or tunnel, and the certificate"
        return [Finding(Level.FAIL, "address", f"{base} does not answer: {error.message}", hint)]
    found = [*_webfinger(node, answer.status, answer.body)]
    date = answer.headers.get("Date")
    if date is not None:
        found.append(_clock(node, date, timedelta(seconds=time.monotonic() - before)))
    return found


def _webfinger(node: Node, status: int, body: bytes) -> Sequence[Finding]:
    base, acct = node.ids.base, node.ids.acct
    try:
        links = canonical.load_object(body).get("links") if status == 200 else None
    except BadDocument:
        links = None
    hrefs = [link.get("href") for link in links if isinstance(link, dict)] if isinstance(links, list) else []
    if node.ids.actor not in hrefs:
        hint = "does a proxy pass /.well-known/webfinger on, with its query and the Host header?"
        return [
            Finding(Level.FAIL, "address", f"{base} answers WebFinger for @{acct} with {status}, not with us", hint)
        ]
    return [Finding(Level.OK, "address", f"{base} answers, and WebFinger leads from @{acct} to the actor")]


def _clock(node: Node, date: str, took: timedelta) -> Finding:
    try:
        off = abs(node.clock() - parsedate_to_datetime(date))
    except (TypeError, ValueError):
        return Finding(Level.WARN, "clock", f"the answer has a Date that is none: {date[:40]}")
    if off > SKEW + took:
        return Finding(Level.WARN, "clock", f"{off} off the clock of whoever answers", "set it by NTP")
    return Finding(Level.OK, "clock", "agrees with the Date of the answer")
