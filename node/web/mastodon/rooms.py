"""The rooms of the node that the client API opens into; put together in node/app.py."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from keys import PublicIdentity
from node.events import Events
from node.ids import Ids, Snowflake
from node.interact import Interactions
from node.media.cache import RemoteMedia
from node.media.library import MediaLibrary
from node.model import Clock, Post, Profile
from node.moderate import Moderation
from node.owner import Owner
from node.polls import Polls
from node.reading import Reading
from node.scheduling import Schedule
from node.settings import Settings
from node.storage.store import Store


@dataclass(frozen=True)
class Rooms:
    settings: Settings
    ids: Ids
    store: Store
    clock: Clock
    events: Events
    snowflake: Snowflake
    owner: Owner
    interactions: Interactions
    moderation: Moderation
    reading: Reading
    profile: Callable[..., Awaitable[Profile]]
    """The owner's; whoever is in a transaction already gives that one (federation/own.py)."""
    key: PublicIdentity
    """The owner's identity key."""
    polls: Polls
    schedule: Schedule
    media: MediaLibrary
    remote_media: RemoteMedia
    evidence: Callable[[Post], Awaitable[dict[str, object]]]
    """What shows who wrote a post (federation/evidence.py)."""
    push_key: Callable[[], str]
    """The public half of the node's VAPID key, base64url."""
    met_token: Callable[[str, str], None]
    """An app showed a good token: its hash, and itself, for the messages that are pushed to that app."""
    may_ask: Callable[[str], bool]
    """Whether the node would dial an address at all."""
