"""Commands about keys: the owner's own, those of others, and the word that they are right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from node import printing as show_
from node.model import KeyState
from node.opening import introduce, opened
from node.printing import as_json as print_json
from node.printing import out, say


async def own_keys(data: Path, passphrase_file: Path | None) -> None:
    async with opened(data, passphrase_file) as node:
        introduce(node.ids, node.keys.identity.public)
        out(f"transport  {node.keys.transport.public.fingerprint}")
        out(f"files      {node.settings.keys}")


async def keys_of(data: Path, passphrase_file: Path | None, whom: str, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        known, found = await node.owner.keys_of(whom)
    if as_json:
        looks_like = show_.looks_like_json(known.actor)
        print_json({"actor": known.actor.iri, "looks_like": looks_like, "keys": [show_.key_json(key) for key in found]})
        return
    out(f"{known.actor.handle}  {known.actor.iri}")
    for line in show_.caution(known.actor):
        out(line)
    for key in found:
        out(show_.key_words(key))
    if not found:
        say("it shows no key")


async def accept_keys(data: Path, passphrase_file: Path | None, whom: str, *, sure: Callable[[str], None]) -> None:
    async with opened(data, passphrase_file) as node:
        known, found = await node.owner.keys_of(whom)
        for key in found:
            if key.state is not KeyState.RETIRED:
                click.echo(show_.key_words(key), err=True)
        for line in show_.caution(known.actor):
            say(line)
        sure(f"Have you compared these with {known.actor.handle}, by another way?")
        for key in await node.owner.trust_keys(whom, found):
            out(show_.key_words(key).partition("\n")[0])
    say(f"these are the trusted keys of {known.actor.handle} now")
