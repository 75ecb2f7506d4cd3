"""DATA/cuicui.toml, overridden by CUICUI_*, overridden by flags: one frozen Settings (decisions.md §14)."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from node.errors import BadSettings

FILE = "cuicui.toml"
PREFIX = "CUICUI_"

NOT_SETTINGS = frozenset({"CUICUI_PASSPHRASE", "CUICUI_PASSPHRASE_FILE", "CUICUI_PASSWORD", "CUICUI_DATA"})
"""Variables of ours that are read elsewhere, and never from the file."""


def _split(value: object) -> object:
    """Lists come from the environment as text with commas."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _network(value: object) -> object:
    return ip_network(value) if isinstance(value, str) else value


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]


class Settings(BaseModel):
    """How the node runs. Every field has a default that is right for one person trying it on one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path = Field(
        description="directory with the database, the keys and the settings file", examples=["/var/lib/cuicui"]
    )
    base_url: str = Field(
        "http://127.0.0.1:8140",
        description="public address of the node, as others reach it; it is part of every id and cannot change later",
        examples=["https://alice.example"],
    )
    listen: str = Field(
        "127.0.0.1:8140", description="address and port to listen on", examples=["127.0.0.1:8140", "[::1]:8140"]
    )
    database_url: str | None = Field(
        None,
        description="the database, if it is not DATA/cuicui.db",
        examples=["postgresql://cuicui@localhost/cuicui"],
    )
    allow_networks: Annotated[tuple[Network, ...], BeforeValidator(_split)] = Field(
        (),
        description="non-public networks the node may dial, also by plain http (CIDRs)",
        examples=["127.0.0.0/8,::1/128"],
    )
    sign_private_posts: bool = Field(
        True, description="put a proof on followers-only and direct posts too", examples=["false"]
    )
    deliveries_at_once: int = Field(
        192, ge=1, le=2000, description="deliveries under way at one time, all hosts together", examples=["64"]
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the least that is logged", examples=["warning"]
    )
    log_format: Literal["text", "json"] = Field("text", description="how log lines are written", examples=["json"])

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            port_is_fine = parts.port is None or parts.port > 0
        except ValueError:
            raise ValueError("is not a URL") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
            raise ValueError("must be an http or https URL with a host")
        if parts.query or parts.fragment or parts.username or parts.path not in ("", "/"):
            raise ValueError("must be scheme and host only, without a path, query or user")
        return f"{parts.scheme}://{parts.netloc.lower()}"

    @field_validator("listen")
    @classmethod
    def _listen(cls, value: str) -> str:
        host, separator, port = value.rpartition(":")
        if not separator or not host or not (port.isascii() and port.isdigit() and int(port) <= 65535):
            raise ValueError("must be HOST:PORT")
        return value

    @property
    def listen_host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def listen_port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def database(self) -> str:
        """The URL in force."""
        return self.database_url or f"sqlite:///{self.data.absolute() / 'cuicui.db'}"

    @property
    def keys(self) -> Path:
        return self.data / "keys"

    @property
    def snapshots(self) -> Path:
        return self.data / "snapshots"


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
        return Settings.model_validate(values)
    except ValidationError as error:
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


def _complaint(error: ValidationError, values: Mapping[str, Any], sources: Mapping[str, str]) -> BadSettings:
    first = error.errors()[0]
    key = str(first["loc"][0])
    source = sources.get(key, key)
    if first["type"] == "extra_forbidden":
        known = [name for name in Settings.model_fields if name != "data"]
        return BadSettings(f"{source}: there is no such setting", hint=_nearest(key, known))
    field = Settings.model_fields[key]
    example = (field.examples or ["…"])[0]
    message = first["msg"].removeprefix("Value error, ")
    return BadSettings(
        f"{source}: {values.get(key)!r} {message}" if first["type"] == "value_error" else f"{source}: {message}",
        hint=f"an example of a right value: {example}",
    )


def _nearest(key: str, known: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(key, known, n=1)
    return f"did you mean {close[0]}?" if close else "known settings: " + ", ".join(known)
