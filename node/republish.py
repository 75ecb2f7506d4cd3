"""A post of the owner's is sent again without being an edit: with new counts, or with a stamp."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from node.acting import Acting
from node.federation import asking, compose
from node.federation.originals import Originals
from node.federation.outbox import recipients
from node.model import Iri, Note, Post
from node.storage import activities, notes
from node.storage import actors as stored
from node.storage.dialect import Tx
from node.storage.queue import Job


class Republishing(Acting):
    """`originals` is where posts of others are asked for."""

    def __init__(self, *means: Any, originals: Originals, **more: Any) -> None:
        super().__init__(*means, **more)
        self._originals = originals
        self._asked_at: dict[Iri, datetime] = {}

    async def _send_again(
        self, tx: Tx, post: Post, note: Note, now: datetime, *, also: Iterable[Iri] = ()
    ) -> list[Job]:
        """Sign and store it as it is now; owe it to its readers and to `also`, in the place of what was owed before."""
        proven = post.visibility.is_open or self._sign_private_posts
        seal = (lambda document: self._outbox.prove(document, now)) if proven else self._outbox.seal
        sealed = seal(compose.note(note, self._ids))
        create = seal(compose.create(sealed.document, self._ids))
        update = seal(asking.refreshed(sealed.document, self._ids, now))
        by = replace(post.authorship, signed_at=now.replace(microsecond=0)) if proven else post.authorship
        await notes.edit_own(tx, post.id, note, by, sealed.body)
        await activities.renew(tx, self._ids.create(note.iri), create.body)
        await activities.supersede(tx, note.iri, f"{note.iri}#refreshed/")
        inboxes = await recipients(tx, note.audience, post.visibility, self._ids)
        inboxes += await stored.inboxes(tx, also, shared=post.visibility.is_open)
        return await self._outbox.submit(tx, update, dict.fromkeys(inboxes), now, about=note.iri)
