"""What shows who wrote a post, in one file that can be kept and checked anywhere (key-history.md §9)."""

from __future__ import annotations

import base64
import json
from datetime import datetime

from keys import proof
from keys.proof import created_at
from node.model import Post
from node.storage import activities, actors, notes
from node.storage.dialect import Tx

TYPE, VERSION = "Evidence", 1

Bundle = dict[str, object]


async def bundle(tx: Tx, post: Post, *, received_at: str, own_actor: bytes) -> Bundle:
    """The evidence for a post that is here.

    `object` is what carries the proof: the note, else the activity around it. The bytes as they
    came are in `received.body`, base64; they were sent to `received_at`, which the HTTP signature
    covers. `own_actor` is the owner's actor document, for the owner's own posts.
    """
    logged = await activities.get(tx, activity) if (activity := await notes.evidence_of(tx, post.id)) else None
    whole = json.loads(logged.body) if logged is not None and logged.body else None
    note = whole.get("object") if whole else None
    stored = await notes.document(tx, post.id)
    if stored is not None:
        note = json.loads(stored)
    found: Bundle = {"type": TYPE, "version": VERSION}
    signed = [part for part in (note, whole) if isinstance(part, dict) and proof.carries(part)]
    found["object"] = signed[0] if signed else note if isinstance(note, dict) else whole
    if whole is not None:
        found["activity"] = whole
    actor = own_actor if post.own else await actors.document(tx, post.note.author)
    if actor is not None:
        found["actor"] = json.loads(actor)
    if logged is not None and logged.direction == "in":
        found["received"] = {
            "at": created_at(logged.at),
            "from": logged.key_id,
            "to": received_at,
            "http": {"headers": [list(pair) for pair in logged.headers]},
            "body": base64.b64encode(logged.body).decode(),
        }
    by = post.authorship
    found["verdict"] = {"verdict": by.verdict.value, "reason": by.reason, "signed_at": _when(by.signed_at)}
    found["key"] = {
        "id": by.key_id,
        "key": by.key,
        "since": _when(by.key_since),
        "trust": by.key_trust.value if by.key_trust else None,
    }
    return found


def _when(moment: datetime | None) -> str | None:
    return created_at(moment) if moment is not None else None
