"""The owner's followers who live on one server, told to that server alone (FEP-8fcf)."""

from __future__ import annotations

import json
from typing import Protocol

from aiohttp import web

from node.answers import PRIVATE, Answer
from node.federation import compose
from node.ids import Ids
from node.model import Iri, origin_of
from node.negotiation import Form
from node.storage import relations
from node.storage.store import Store


class Gate(Protocol):
    """Who asks, on the strength of an HTTP signature; None when it is nobody we know."""

    async def viewer(self, request: web.Request) -> Iri | None: ...


class PartialFollowers:
    """Answers GET BASE/followers_synchronization."""

    def __init__(self, store: Store, ids: Ids, gate: Gate) -> None:
        self._store = store
        self._ids = ids
        self._gate = gate

    async def answer(self, request: web.Request) -> web.Response:
        """Only to a signed request: whoever signed it is told of their own server's people, and of nobody else's."""
        vary = {"Cache-Control": PRIVATE, "Vary": "Accept, Signature, Signature-Input"}
        viewer = await self._gate.viewer(request)
        if viewer is None:
            said = {"error": "this is told only to a server that signs its request", "code": "unsigned"}
            return web.json_response(said, status=401, headers=vary)
        origin = origin_of(viewer)
        async with self._store.read() as tx:
            living = (await relations.followers_at(tx, [origin]))[origin]
        document = compose.full_collection(self._ids.followers_synchronization, sorted(living))
        body = json.dumps(document, separators=(",", ":")).encode()
        return Answer(body, {"Content-Type": Form.ACTIVITY.value, **vary}).to(request)
