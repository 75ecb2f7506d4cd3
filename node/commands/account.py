"""Commands about the owner's account: profile, aliases, move, token, password."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from node.errors import NotAllowed
from node.opening import opened
from node.passwords import hashed
from node.printing import out, say
from node.storage import profile as stored_profile


async def profile(
    data: Path, passphrase_file: Path | None, name: str | None, bio: str | None, approves: bool | None
) -> None:
    async with opened(data, passphrase_file) as node:
        if (name, bio, approves) != (None, None, None):
            await node.owner.change_profile(name=name, summary=bio, approves_followers=approves)
        owner = await node.owner.profile()
        out(f"handle     @{node.ids.acct}")
        out(f"name       {owner.name}")
        out(f"bio        {owner.summary}")
        out(f"followers  {'wait for your yes' if owner.approves_followers else 'are let in at once'}")
        for other in owner.also_known_as:
            out(f"alias      {other}")


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
    secret = hashed(line)
    async with opened(data, passphrase_file) as node, node.store.write() as tx:
        await stored_profile.set_password_hash(tx, secret)
    say("the password is set")
