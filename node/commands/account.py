"""Commands about the owner's account: profile, aliases, move, token, password."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from node import printing as show_
from node.app import Node
from node.errors import NotAllowed
from node.model import Preferences, Visibility
from node.opening import opened
from node.printing import out, say


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be changed about a profile; None leaves as it is."""

    name: str | None = None
    bio: str | None = None
    avatar: str | None = None
    header: str | None = None
    approves: bool | None = None
    fields: Sequence[tuple[str, str]] | None = None
    bot: bool | None = None
    discoverable: bool | None = None
    indexable: bool | None = None
    hides: bool | None = None
    visibility: str | None = None
    language: str | None = None
    sensitive: bool | None = None


async def profile(data: Path, passphrase_file: Path | None, change: Changes, *, check: bool) -> None:
    async with opened(data, passphrase_file) as node:
        if change != Changes():
            await node.owner.change_profile(
                name=change.name,
                summary=change.bio,
                avatar=await _face(node, "avatar", change.avatar),
                header=await _face(node, "header", change.header),
                approves_followers=change.approves,
                fields=change.fields,
                bot=change.bot,
                discoverable=change.discoverable,
                indexable=change.indexable,
                hides_collections=change.hides,
                preferences=_preferences((await node.owner.profile()).preferences, change),
            )
        if check:
            await node.links.check(node.ids.actor)
        owner = await node.owner.profile()
        out(f"handle     @{node.ids.acct}")
        out(f"name       {owner.name}")
        out(f"bio        {owner.summary}")
        for kind, file in (("avatar", owner.avatar), ("header", owner.header)):
            if file is not None:
                out(f"{kind}     {node.ids.media(file)}")
        out(f"followers  {'wait for your yes' if owner.approves_followers else 'are let in at once'}")
        for field in owner.fields:
            out(f"field      {show_.field_words(field, field.value)}")
        for said, is_so in (
            ("a bot", owner.bot),
            ("not shown in directories", not owner.discoverable),
            ("public posts may be searched", owner.indexable),
            ("people shown as numbers only", owner.hides_collections),
        ):
            if is_so:
                out(f"           {said}")
        if owner.preferences != Preferences():
            out(f"posts      {', '.join(_habits(owner.preferences))}")
        for other in owner.also_known_as:
            out(f"alias      {other}")


async def _face(node: Node, purpose: str, file: str | None) -> str | None:
    """The name of an uploaded picture; "" takes away the one there is."""
    return (await node.media.upload_file(Path(file), purpose=purpose)).file if file else file


def _preferences(before: Preferences, change: Changes) -> Preferences | None:
    if (change.visibility, change.language, change.sensitive) == (None, None, None):
        return None
    return Preferences(
        visibility=before.visibility if change.visibility is None else Visibility(change.visibility),
        language=before.language if change.language is None else change.language or None,
        sensitive=before.sensitive if change.sensitive is None else change.sensitive,
    )


def _habits(kept: Preferences) -> Iterator[str]:
    yield kept.visibility.value
    if kept.language:
        yield f"in {kept.language}"
    if kept.sensitive:
        yield "pictures folded"


async def add_alias(data: Path, passphrase_file: Path | None, account: str) -> None:
    async with opened(data, passphrase_file) as node:
        other = (await node.actors.resolve(account)).actor.iri
        if other == node.ids.actor:
            raise NotAllowed("that is this account itself")
        aliases = (await node.owner.profile()).also_known_as
        if other not in aliases:
            await node.owner.change_profile(also_known_as=(*aliases, other))
    out(other)
    say("it is named as yours in your profile")


async def move(data: Path, passphrase_file: Path | None, target: str, ask: Callable[[str], bool]) -> None:
    async with opened(data, passphrase_file) as node:
        if not ask(f"Send everybody who follows @{node.ids.acct} to {target}?"):
            raise NotAllowed("nothing was changed")
        moved = await node.owner.move(target)
    out(moved)
    say("moved; followers' servers are told, and most of them follow there by themselves")


async def token(data: Path, passphrase_file: Path | None) -> None:
    async with opened(data, passphrase_file) as node:
        out(await node.owner.new_token("cuicui token"))


async def password(data: Path, passphrase_file: Path | None, line: str) -> None:
    async with opened(data, passphrase_file) as node:
        apps = await node.owner.set_password(line)
    who = "browsers" if apps == 0 else f"browsers and apps ({apps})"
    say(f"the password is set; {who} that were logged in have to log in again")
