"""DATA/cuicui.toml, overridden by CUICUI_*, overridden by flags: one frozen Settings (decisions.md §14)."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from node.errors import BadSettings

FILE = "cuicui.toml"
PREFIX = "CUICUI_"

NOT_SETTINGS = frozenset({"CUICUI_PASSPHRASE", "CUICUI_PASSPHRASE_FILE", "CUICUI_PASSWORD", "CUICUI_DATA"})
"""Variables of ours that are read elsewhere, and never from the file."""

Network: TypeAlias = IPv4Network | IPv6Network


# ── what a value may be: each returns it in its own type, or raises ValueError("must be …") ──


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _text_or_nothing(value: object) -> str | None:
    return None if value is None else _text(value)


def _path(value: object) -> Path:
    if not isinstance(value, str | Path):
        raise ValueError("must be a path")
    return Path(value)


_WORDS_FOR = {True: ("true", "yes", "on", "1"), False: ("false", "no", "off", "0")}


def _yes_or_no(value: object) -> bool:
    if isinstance(value, bool):
        return value
    for meaning, words in _WORDS_FOR.items():
        if str(value).lower() in words:
            return meaning
    raise ValueError("must be true or false")


def _whole(least: int, most: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value[:20])
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return value

    return read


def _one_of(*words: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in words:
            raise ValueError(f"must be one of: {', '.join(words)}")
        return str(value)

    return read


def _networks(value: object) -> tuple[Network, ...]:
    """A list; from the environment as text with commas."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list of networks")
    found: list[Network] = []
    for one in value:
        if not isinstance(one, str | IPv4Network | IPv6Network):
            raise ValueError("must be a list of networks, each as text")
        try:
            found.append(_unmapped(ip_network(one)))
        except ValueError:
            raise ValueError(f"names something that is not a network: {one}") from None
    return tuple(found)


def _unmapped(network: Network) -> Network:
    """IPv4 within IPv6 as what it is, as an address is before it is looked for among them."""
    inside = isinstance(network, IPv6Network) and network.prefixlen >= 96 and network.network_address.ipv4_mapped
    return ip_network(f"{inside}/{network.prefixlen - 96}") if inside else network


def _proxies(value: object) -> tuple[Network, ...]:
    found = _networks(value)
    if any(network.prefixlen == 0 for network in found):
        raise ValueError("names everybody, who then could give any address for theirs")
    return found


def _base_url(value: object) -> str:
    try:
        parts = urlsplit(_text(value))
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise ValueError("must be an http or https URL with a host")
    if parts.query or parts.fragment or parts.username or parts.path not in ("", "/"):
        raise ValueError("must be scheme and host only, without a path, query or user")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _listen(value: object) -> str:
    host, separator, port = _text(value).rpartition(":")
    if not separator or not host or not (port.isascii() and port.isdigit() and int(port[:9]) <= 65535):
        raise ValueError("must be HOST:PORT")
    return _text(value)


def file_url(file: Path) -> str:
    """The URL of an SQLite database. In a URL `?` begins a query, and what stands behind `%` is decoded."""
    return f"sqlite:///{str(file).replace('%', '%25').replace('?', '%3F')}"


# ── the settings ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class About:
    """What one setting means to its owner, and how its value is read."""

    read: Callable[[object], object]
    description: str
    examples: tuple[str, ...]


def _setting(read: Callable[[object], object], description: str, *examples: str) -> dict[str, About]:
    return {"about": About(read, description, examples)}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the node runs. Every field has a default that is right for one person trying it on one machine.

    Own code where pydantic would do the same: it was loaded for these few fields only, and cost every
    idle node 6 MiB.
    """

    data: Path = field(
        metadata=_setting(_path, "directory with the database, the keys and the settings file", "/var/lib/cuicui")
    )
    base_url: str = field(
        default="http://127.0.0.1:8140",
        metadata=_setting(
            _base_url,
            "public address of the node, as others reach it; it is part of every id and cannot change later",
            "https://alice.example",
        ),
    )
    listen: str = field(
        default="127.0.0.1:8140",
        metadata=_setting(_listen, "address and port to listen on", "127.0.0.1:8140", "[::1]:8140"),
    )
    database_url: str | None = field(
        default=None,
        metadata=_setting(
            _text_or_nothing, "the database, if it is not DATA/cuicui.db", "postgresql://cuicui@localhost/cuicui"
        ),
    )
    allow_networks: tuple[Network, ...] = field(
        default=(),
        metadata=_setting(
            _networks, "non-public networks the node may dial, also by plain http (CIDRs)", "127.0.0.0/8,::1/128"
        ),
    )
    trusted_proxies: tuple[Network, ...] = field(
        default=(),
        metadata=_setting(
            _proxies,
            "proxies of yours that say in X-Forwarded-For whom they speak for: addresses, or networks (CIDRs)",
            "127.0.0.1,::1",
        ),
    )
    sign_private_posts: bool = field(
        default=True,
        metadata=_setting(_yes_or_no, "put a proof on followers-only and direct posts too", "false"),
    )
    quotes: Literal["public", "followers", "nobody"] = field(
        default="public",
        metadata=_setting(_one_of("public", "followers", "nobody"), "who may quote your posts", "followers"),
    )
    authorized_fetch: bool = field(
        default=False,
        metadata=_setting(_yes_or_no, "answer only servers that sign their requests and are not blocked", "true"),
    )
    send_blocks: bool = field(
        default=True,
        metadata=_setting(_yes_or_no, "tell the server of an account that you block it, as Mastodon does", "false"),
    )
    deliveries_at_once: int = field(
        default=192,
        metadata=_setting(_whole(1, 2000), "deliveries under way at one time, all hosts together", "64"),
    )
    image_limit: int = field(
        default=16,
        metadata=_setting(_whole(1, 64), "the largest picture that is taken as an upload, in MiB", "8"),
    )
    recording_limit: int = field(
        default=40,
        metadata=_setting(_whole(1, 2048), "the largest video or sound that is taken as an upload, in MiB", "100"),
    )
    media_cache_size: int = field(
        default=1024,
        metadata=_setting(
            _whole(1, 1 << 20), "room for other people's pictures, in MiB; the least used go first", "256"
        ),
    )
    keep_remote_days: int = field(
        default=30,
        metadata=_setting(
            _whole(0, 36_500),
            "days for which others' posts and accounts are kept that nobody here refers to; 0: for ever",
            "90",
        ),
    )
    log_level: Literal["debug", "info", "warning", "error"] = field(
        default="info",
        metadata=_setting(_one_of("debug", "info", "warning", "error"), "the least that is logged", "warning"),
    )
    log_format: Literal["text", "json"] = field(
        default="text", metadata=_setting(_one_of("text", "json"), "how log lines are written", "json")
    )
    given: frozenset[str] = frozenset()
    """The settings that somebody chose, rather than left at their default."""

    @staticmethod
    def of(values: Mapping[str, object]) -> Settings:
        """Settings from untyped values. Raises BadSetting, which knows the key, for the first that is wrong."""
        read: dict[str, Any] = {}
        for key, value in values.items():
            if key not in ABOUT:
                raise BadSetting(key, "there is no such setting")
            try:
                read[key] = ABOUT[key].read(value)
            except ValueError as error:
                raise BadSetting(key, str(error)) from None
        return Settings(**read, given=frozenset(values))

    @property
    def listen_host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def listen_port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def database(self) -> str:
        """The URL in force."""
        return self.database_url or file_url(self.data.absolute() / "cuicui.db")

    @property
    def keys(self) -> Path:
        return self.data / "keys"

    @property
    def media(self) -> Path:
        return self.data / "media"

    @property
    def cache(self) -> Path:
        return self.data / "cache"

    @property
    def unfinished(self) -> Path:
        """Stands there while a node is being made: what lies beside it is none yet (founding.py)."""
        return self.data / "unfinished"

    @property
    def snapshots(self) -> Path:
        return self.data / "snapshots"


ABOUT: dict[str, About] = {one.name: one.metadata["about"] for one in fields(Settings) if "about" in one.metadata}
"""Every setting by its name."""


class BadSetting(ValueError):
    """A value that its setting does not take; `load` says it with its source."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key}: {why}")
        self.key, self.why = key, why


def load(
    data: Path, *, environ: Mapping[str, str] | None = None, flags: Mapping[str, object] | None = None
) -> Settings:
    """Settings for a data directory. Raises BadSettings that names the key, the value and a right one."""
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    file = data / FILE
    for key, value in _file(file).items():
        values[key], sources[key] = value, f"{file}: {key}"
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in NOT_SETTINGS:
            key = name.removeprefix(PREFIX).lower()
            values[key], sources[key] = environ[name], name
    for key, value in (flags or {}).items():
        if value is not None:
            values[key], sources[key] = value, f"--{key.replace('_', '-')}"
    values["data"] = data
    try:
        return Settings.of(values)
    except BadSetting as error:
        raise _complaint(error, values, sources) from None


def _file(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadSettings(f"cannot read {file}: {error.strerror}", hint="check its owner and permissions") from None
    except UnicodeDecodeError:
        raise BadSettings(f"{file} is not UTF-8 text", hint="save it as UTF-8") from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{file} is not TOML: {error}", hint='a line looks like: listen = "127.0.0.1:8140"') from None
    if "data" in values:
        raise BadSettings(f"{file}: data cannot be set in the file that it leads to", hint="use --data or CUICUI_DATA")
    return values


def _complaint(error: BadSetting, values: Mapping[str, Any], sources: Mapping[str, str]) -> BadSettings:
    source = sources.get(error.key, error.key)
    if error.key not in ABOUT:
        return BadSettings(
            f"{source}: {error.why}", hint=_nearest(error.key, [name for name in ABOUT if name != "data"])
        )
    return BadSettings(
        f"{source}: {values[error.key]!r} {error.why}",
        hint=f"an example of a right value: {ABOUT[error.key].examples[0]}",
    )


def _nearest(key: str, known: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(key, known, n=1)
    return f"did you mean {close[0]}?" if close else "known settings: " + ", ".join(known)
