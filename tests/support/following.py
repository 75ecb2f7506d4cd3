"""What many stories begin with."""

from __future__ import annotations

from node.model import Draft, Iri, Post
from tests.support.homes import Home, eventually
from tests.support.stranger import Stranger


async def follows(home: Home, who: Stranger) -> None:
    """The owner follows them, and they said yes."""
    relation = await home.node.owner.follow(who.iri)
    assert (await who.deliver(who.activity("Accept", relation.activity), home.base)).status == 202


async def befriend(one: Home, other: Home) -> None:
    """The owner of the one node follows the owner of the other."""
    await one.node.owner.follow(other.node.ids.actor)

    async def accepted() -> bool:
        return any(relation.state == "accepted" for relation in await one.node.owner.following())

    await eventually(accepted)


async def said(home: Home, words: str) -> Post:
    """A public post of the owner's."""
    return (await home.node.owner.post(Draft(words))).post


async def arrives(home: Home, words: str) -> Post:
    """The post with these words, once it is in the home timeline."""

    async def there() -> Post | None:
        posts = await home.node.owner.timeline(limit=80)
        return next((post for post in posts if words in post.note.content), None)

    found = await eventually(there)
    assert found is not None
    return found


async def seen(home: Home, iri: Iri | str) -> tuple[int, int, int]:
    """Likes, boosts and answers, as this node has seen them."""
    counts = (await home.node.interactions.counts([Iri(iri)]))[Iri(iri)]
    return counts.likes, counts.boosts, counts.replies
