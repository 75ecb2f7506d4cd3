"""What an app asks for at /oauth/authorize, checked before the owner sees it (RFC 6749 §4.1.1, RFC 7636)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit, urlunsplit

from node.storage.oauth import App
from node.web.mastodon.errors import Invalid
from node.web.mastodon.oauth import OOB, covered, read_scopes

FIELDS = ("response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method")

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
LONGEST_STATE = 4000


@dataclass(frozen=True, slots=True)
class Ask:
    app: App
    scopes: str
    redirect_uri: str
    state: str | None
    challenge: str | None

    @property
    def is_shown(self) -> bool:
        """The code goes nowhere; the owner types it in."""
        return self.redirect_uri == OOB

    @property
    def target(self) -> str:
        """Where the answer goes, as a Content-Security-Policy names it."""
        parts = urlsplit(self.redirect_uri)
        return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"

    @property
    def address(self) -> str:
        """Where the answer goes, as the owner reads it."""
        parts = urlsplit(self.redirect_uri)
        return parts.netloc if parts.scheme in ("http", "https") else f"{parts.scheme}:"

    def back(self, **said: str) -> str:
        """The redirect with an answer; what its query held before stays."""
        pairs = {**said, **({"state": self.state} if self.state is not None else {})}
        parts = urlsplit(self.redirect_uri)
        query = "&".join(filter(None, (parts.query, urlencode(pairs))))
        if parts.scheme in ("http", "https"):
            return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", query, ""))
        bare = self.redirect_uri.partition("?")[0]  # an app's own spelling (`x:/y`) is not to be tidied
        return f"{bare}?{query}"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an ask. With `ask` the app can be told; without, only the owner."""

    word: str
    message: str
    ask: Ask | None = None


def read(params: Mapping[str, str], app: App | None) -> Ask | Problem:
    """An unknown app or redirect is never redirected to (security.md §7)."""
    if app is None:
        return Problem("invalid_client", "No app of that name is known here. It has to register again.")
    redirect = params.get("redirect_uri", "")
    if redirect not in app.redirect_uris:
        return Problem("invalid_redirect_uri", "The app wants the answer sent where it never said it would.")
    state = params.get("state")
    if state is not None and len(state) > LONGEST_STATE:
        return Problem("invalid_request", "The app sent a state that is far too long.")
    ask = Ask(app, "", redirect, state, None)
    if params.get("response_type") != "code":
        return Problem("unsupported_response_type", "response_type must be code", ask)
    try:
        scopes = read_scopes(params.get("scope", ""))
    except Invalid as error:
        return Problem("invalid_scope", error.message, ask)
    if not covered(scopes, app.scopes):
        return Problem("invalid_scope", f"the app is registered for: {app.scopes}", ask)
    challenge = params.get("code_challenge") or None
    method = params.get("code_challenge_method") or None
    has_challenge = challenge is not None or method is not None
    if has_challenge and (method != "S256" or not _CHALLENGE.fullmatch(challenge or "")):
        return Problem("invalid_request", "code_challenge must be made with S256", ask)
    return Ask(app, scopes, redirect, state, challenge)


MEANINGS: tuple[tuple[str, str, bool], ...] = (
    ("read", "read your timeline, your private posts and your direct messages", False),
    ("write", "post, reply, boost, edit and delete in your name, signed with your key", True),
    ("follow", "follow, unfollow, mute and block in your name", True),
    ("push", "be told at once when something happens", False),
    ("profile", "see your handle and profile", False),
)
"""What a scope means for the owner; the last says whether it changes things."""


def meanings(scopes: str) -> list[tuple[str, bool, str]]:
    """(sentence, whether it changes things, the scopes it stands for), in the order of MEANINGS."""
    asked = scopes.split()
    found = []
    for name, sentence, changes in MEANINGS:
        whole = name in asked
        parts = [scope.partition(":")[2] for scope in asked if scope.startswith(f"{name}:")]
        if whole:
            found.append((sentence, changes, name))
        elif parts:
            verb = "change" if changes else "read"
            found.append((f"{verb} these only: {', '.join(parts)}", changes, " ".join(f"{name}:{p}" for p in parts)))
    return found
