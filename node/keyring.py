"""The node's own keys, loaded once and kept in memory: reading an RSA key costs 40 ms, signing 0.3."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from keys import Identity, TransportKey
from keys.keystore import Keystore
from keys.passphrase import Passphrase

TRANSPORT = "transport"
SERVER = "server"


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """`identity` signs what the owner writes; `transport` and `server` sign HTTP requests of owner and node."""

    identity: Identity
    transport: TransportKey
    server: TransportKey


def generate() -> OwnKeys:
    return OwnKeys(Identity.generate(), TransportKey.generate(), TransportKey.generate())


def save(directory: Path, keys: OwnKeys, passphrase: str | None) -> None:
    """Write all three, sealed if there is a passphrase. Never overwrites; raises KeyFileError."""
    store = Keystore(directory)
    store.save_identity(keys.identity, passphrase)
    store.save_transport(TRANSPORT, keys.transport, passphrase)
    store.save_transport(SERVER, keys.server, passphrase)


def load(directory: Path, passphrase: Passphrase = None) -> OwnKeys:
    """Raises KeyFileError or Locked, which name the file."""
    store = Keystore(directory)
    return OwnKeys(
        store.load_identity(passphrase),
        store.load_transport(TRANSPORT, passphrase),
        store.load_transport(SERVER, passphrase),
    )
