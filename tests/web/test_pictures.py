"""Pictures on the public pages: from here alone, with their descriptions, and covered where they are sensitive."""

from __future__ import annotations

import json

from node.model import Draft
from tests.support.homes import Home
from tests.support.pictures import as_bytes, painted, pieces
from tests.support.stranger import Stranger


async def _page(who: Stranger, url: str) -> tuple[str, str]:
    reply = await who.send("GET", url, [("Accept", "text/html")], None)
    assert reply.status == 200
    return reply.body.decode(), reply.headers["Content-Security-Policy"]


async def test_a_picture_is_shown_with_its_description(alice: Home, carol: Stranger) -> None:
    one = await alice.node.media.upload(pieces(as_bytes(painted(), "JPEG")), alt='A "cat" <asleep>')
    post = (await alice.node.owner.post(Draft("look", media=(one.id,)))).post
    assert post.note.url is not None
    html, policy = await _page(carol, post.note.url)
    assert f'src="{alice.base}/media/{one.file}" alt="A &#34;cat&#34; &lt;asleep&gt;" width="320" height="200"' in html
    assert "img-src 'self'" in policy
    assert "media-src 'self'" in policy


async def test_a_sensitive_picture_is_folded(alice: Home, carol: Stranger) -> None:
    """Not seen before one asks for it: behind the warning, or behind the word."""
    for draft in (Draft("look", warning="spiders"), Draft("look", sensitive=True)):
        one = await alice.node.media.upload(pieces(as_bytes(painted(), "JPEG")))
        post = (await alice.node.owner.post(Draft(**{**_fields(draft), "media": (one.id,)}))).post
        assert post.note.url is not None
        html, _ = await _page(carol, post.note.url)
        assert "<img" not in html.partition('<details class="warning"')[0]
        assert "<img" in html.partition('<details class="warning"')[2].partition("</details>")[0]


def _fields(draft: Draft) -> dict[str, object]:
    return {name: getattr(draft, name) for name in draft.__slots__}


async def test_the_owner_is_seen(alice: Home, carol: Stranger) -> None:
    """On the page, and in the actor that others fetch; changed, they are told."""
    media, owner = alice.node.media, alice.node.owner
    face = await media.upload(pieces(as_bytes(painted(900, 600), "JPEG")), purpose="avatar")
    above = await media.upload(pieces(as_bytes(painted(3000, 900), "PNG")), purpose="header")
    assert (face.width, face.height, above.width, above.height) == (400, 400, 1500, 500)
    await owner.change_profile(avatar=face.file, header=above.file)
    html, _ = await _page(carol, f"{alice.base}/@alice")
    assert f'class="face" src="{alice.base}/media/{face.file}"' in html
    assert f'class="banner" src="{alice.base}/media/{above.file}"' in html
    actor = json.loads((await carol.get(f"{alice.base}/actor")).body)
    assert actor["icon"] == {"type": "Image", "mediaType": "image/jpeg", "url": f"{alice.base}/media/{face.file}"}
    assert actor["image"]["mediaType"] == "image/png"
