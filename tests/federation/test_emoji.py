"""Custom emoji of posts, accounts and reactions: their shortcodes and pictures are kept, and bounded."""

from __future__ import annotations

from node.model import Emoji, ReactionKind
from node.storage import reactions
from tests.support.following import arrives, follows, said
from tests.support.homes import Home
from tests.support.stranger import Json, Stranger

CAT = Emoji("blobcat", "https://cdn.example/blobcat.png")


def emoji(name: str = ":blobcat:", url: object = CAT.url) -> Json:
    return {"type": "Emoji", "id": "https://b.example/emojis/1", "name": name, "icon": {"type": "Image", "url": url}}


TAGS: dict[str, tuple[object, tuple[Emoji, ...]]] = {
    "Mastodon": ([emoji()], (CAT,)),
    "one object": (emoji(), (CAT,)),
    "bare name": ([emoji("blobcat")], (CAT,)),
    "twice": ([emoji(), emoji(url="https://cdn.example/other.png")], (CAT,)),
    "http": ([emoji(url="http://cdn.example/plain.png")], ()),
    "script": ([emoji(url="javascript:alert(1)")], ()),
    "name": ([emoji(name=':"><script>:')], ()),
    "no picture": ([{"type": "Emoji", "name": ":x:"}], ()),
}


async def test_emoji_of_posts_are_kept(alice: Home, carol: Stranger):
    """FEP-9098: a name between colons, and a picture; only https."""
    await follows(alice, carol)
    found = {}
    for name, (tags, _) in TAGS.items():
        await carol.deliver(carol.create(carol.note(f"Hello :blobcat: {name}", tag=tags)), alice.base)
        found[name] = (await arrives(alice, f"Hello :blobcat: {name}")).note.emojis
    assert found == {name: expected for name, (_, expected) in TAGS.items()}


async def test_there_are_not_too_many(alice: Home, carol: Stranger):
    """64 of one post; the rest is text."""
    await follows(alice, carol)
    tags = [emoji(f":e{number}:") for number in range(200)]
    await carol.deliver(carol.create(carol.note("Hello", tag=tags)), alice.base)
    assert len((await arrives(alice, "Hello")).note.emojis) == 64


async def test_emoji_of_accounts_are_kept(alice: Home, carol: Stranger):
    """In their names and profiles."""
    carol.extra = {"name": "Carol :blobcat:", "tag": [emoji()]}
    carol.publish()
    await follows(alice, carol)
    known = (await alice.node.owner.people([carol.iri]))[carol.iri]
    assert known.actor.emojis == (CAT,)


async def test_a_reaction_keeps_its_picture(alice: Home, carol: Stranger):
    """Misskey and Pleroma react with `:name:` and an Emoji tag."""
    post = await said(alice, "React")
    reaction = carol.activity("EmojiReact", post.note.iri, content=":blobcat:", tag=[emoji()])
    assert (await carol.deliver(reaction, alice.base)).status == 202
    async with alice.node.store.read() as tx:
        [kept] = await reactions.by(tx, post.note.iri, carol.iri, [ReactionKind.EMOJI])
    assert (kept.content, kept.url) == (":blobcat:", CAT.url)
