"""Commands about who wrote something: export the evidence, verify it."""

from __future__ import annotations

from pathlib import Path

import click

from keys import PublicIdentity
from keys.multiformat import multikey_from_did
from node import founding, settings
from node import printing as show_
from node.app import Node
from node.commands.shared import DONE, FAILED, UNSURE, contents, find
from node.errors import BadKey
from node.federation import evidence, outbox
from node.federation.examine import Examined, Examiner, file_alone
from node.federation.lookup import parse_handle
from node.model import Post, Verdict, utcnow
from node.opening import opened, visiting
from node.printing import as_json as print_json
from node.printing import hint, out

_EXIT = {Verdict.SIGNED: DONE, Verdict.VOUCHED: UNSURE, Verdict.CHANGED: UNSURE, Verdict.REFUSED: FAILED}


async def export(data: Path, passphrase_file: Path | None, which: str) -> None:
    async with opened(data, passphrase_file) as node:
        print_json(await _bundle(node, await find(node, which)))


async def _bundle(node: Node, found: Post) -> evidence.Bundle:
    own_actor = await node.documents.actor()
    async with node.store.read() as tx:
        return await evidence.bundle(tx, found, received_at=node.ids.inbox, own_actor=own_actor)


async def verify(
    data: Path, passphrase_file: Path | None, target: str, key: str | None, *, offline: bool, as_json: bool
) -> int:
    is_file = _is_file(target)
    given = _key(key) if key is not None else None
    if given is not None and not is_file:
        raise click.UsageError("--key is for a file; an address or a handle is asked for its own")
    body = contents(target) if is_file else b""
    if given is not None or (is_file and not founding.exists(settings.load(data))):
        found = file_alone(body, given, utcnow())
    else:
        found = await _examined(data, passphrase_file, target, body if is_file else None, offline=offline)
    if as_json:
        print_json({"target": target, **show_.examined_json(found)})
    else:
        out(show_.examined_words(found))
    if found.verdict is Verdict.VOUCHED and is_file and found.key_trust is None:
        hint("if you know the author's key, name it: --key z6Mk…")
    return _EXIT[found.verdict]


async def _examined(
    data: Path, passphrase_file: Path | None, target: str, body: bytes | None, *, offline: bool
) -> Examined:
    if not offline and not founding.exists(settings.load(data)):
        hint("there is no node here that knows any key: it is taken as its server shows it now")
        at_hand = visiting(data)
    else:
        at_hand = opened(data, passphrase_file)
    async with at_hand as node:
        examiner = Examiner(
            node.store,
            node.actors,
            node.fetcher,
            node.documents,
            ids=node.ids,
            own_key=node.keys.identity.public,
            clock=node.clock,
            offline=offline,
        )
        if body is not None:
            return await examiner.file(body)
        if not target.startswith(("https://", "http://")):
            return await examiner.account(target)
        if offline and not node.ids.is_ours(target):
            return await examiner.file(outbox.to_bytes(await _bundle(node, await find(node, target))))
        return await examiner.url(target)


def _is_file(target: str) -> bool:
    """What is neither an address nor a handle; and a handle, if a file has that name."""
    if target.startswith(("https://", "http://")):
        return False
    return parse_handle(target) is None or Path(target).exists()


def _key(written: str) -> PublicIdentity:
    written = written.strip()
    try:
        return PublicIdentity.from_multikey(multikey_from_did(written) if written.startswith("did:") else written)
    except BadKey as error:
        raise click.UsageError(f"--key: {error.message}") from None
