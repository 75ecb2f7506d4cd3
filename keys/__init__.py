"""Identity and signing, useful without a node."""

from keys.identity import Identity, PublicIdentity
from keys.transport import PublicTransport, TransportKey

__all__ = ["Identity", "PublicIdentity", "PublicTransport", "TransportKey"]
