"""How others find us: WebFinger, host-meta and NodeInfo documents (federation.md §2)."""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from node.federation import compose
from node.ids import Ids
from node.model import Profile

Document = dict[str, object]

_SCHEMA = "http://nodeinfo.diaspora.software/ns/schema"
NODEINFO_VERSIONS = ("2.0", "2.1")


def nodeinfo_type(version: str) -> str:
    """The content type of a NodeInfo document; GoToSocial compares it letter by letter."""
    return f'application/json; profile="{_SCHEMA}/{version}#"'


def webfinger(ids: Ids, profile: Profile) -> Document:
    """What is known under the owner's name, actor id or page (RFC 7033 §4.4)."""
    return {
        "subject": f"acct:{ids.acct}",
        "aliases": [ids.actor, ids.profile_page],
        "links": [
            {"rel": "self", "type": "application/activity+json", "href": ids.actor},
            {"rel": "http://webfinger.net/rel/profile-page", "type": "text/html", "href": ids.profile_page},
            {
                "rel": "http://ostatus.org/schema/1.0/subscribe",
                "template": f"{ids.base}/authorize_interaction?uri={{uri}}",
            },
        ],
    }


def server_webfinger(ids: Ids) -> Document:
    """The same for the server actor, known as `https://host/` (FEP-d556)."""
    return {
        "subject": f"acct:{compose.server_username(ids)}@{ids.host}",
        "aliases": [ids.server_actor, f"{ids.base}/"],
        "links": [{"rel": "self", "type": "application/activity+json", "href": ids.server_actor}],
    }


def is_owner(resource: str, ids: Ids) -> bool:
    """Whether a WebFinger resource means the owner; names are compared without regard to case."""
    named = resource.removeprefix("acct:").removeprefix("@").casefold()
    return named == ids.acct.casefold() or resource in (ids.actor, ids.profile_page)


def is_server(resource: str, ids: Ids) -> bool:
    """Whether a WebFinger resource means the server actor."""
    named = resource.removeprefix("acct:").casefold()
    own = f"{compose.server_username(ids)}@{ids.host}".casefold()
    return named == own or resource in (ids.server_actor, ids.base, f"{ids.base}/")


def host_meta(ids: Ids) -> str:
    """Where WebFinger is (RFC 6415); Mastodon and GoToSocial ask after a 404."""
    template = quoteattr(f"{ids.base}/.well-known/webfinger?resource={{uri}}")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">\n'
        f'  <Link rel="lrdd" type="application/jrd+json" template={template}/>\n'
        "</XRD>\n"
    )


@dataclass(frozen=True, slots=True)
class Counts:
    """What NodeInfo says in numbers: open posts of the owner, and whether there was one lately."""

    local_posts: int = 0
    active_month: bool = False
    active_half_year: bool = False


def nodeinfo_links(ids: Ids) -> Document:
    """The index at `/.well-known/nodeinfo`."""
    return {
        "links": [
            {"rel": f"{_SCHEMA}/{version}", "href": f"{ids.base}/nodeinfo/{version}"} for version in NODEINFO_VERSIONS
        ]
    }


def nodeinfo(version: str, profile: Profile, counts: Counts, node_version: str) -> Document:
    """NodeInfo 2.0 or 2.1: what runs here, and nothing private (FEP-0151)."""
    return {
        "version": version,
        "software": {"name": "cuicui", "version": node_version},
        "protocols": ["activitypub"],
        "services": {"inbound": [], "outbound": []},
        "openRegistrations": False,
        "usage": {
            "users": {
                "total": 1,
                "activeMonth": int(counts.active_month),
                "activeHalfyear": int(counts.active_half_year),
            },
            "localPosts": counts.local_posts,
        },
        "metadata": {
            "nodeName": profile.name or profile.handle,
            "nodeDescription": profile.summary,
            "staffAccounts": [],
            "federation": {"enabled": True},
        },
    }
