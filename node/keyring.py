"""The node's own keys, loaded once and kept in memory: reading an RSA key costs 40 ms, signing 0.3."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from keys import Identity, TransportKey
from keys.keystore import Keystore
from keys.passphrase import Passphrase

if TYPE_CHECKING:
    from node.webpush import PushKey

TRANSPORT = "transport"
SERVER = "server"


@dataclass(frozen=True)
class OwnKeys:
    """`identity` signs what the owner writes; `transport` and `server` sign HTTP requests of owner and node."""

    identity: Identity
    transport: TransportKey
    server: TransportKey

    @cached_property
    def push(self) -> PushKey:
        """By which push services and apps know the node (RFC 8292): it follows from the server's key."""
        from node.webpush import PushKey  # loaded with the first app that wants to be told

        return PushKey.derived(self.server.private_pem())


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
