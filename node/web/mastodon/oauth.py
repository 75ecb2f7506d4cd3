"""OAuth 2 for apps: registration, tokens, revocation, metadata (RFC 6749, 7009, 7636, 8414).

The page where the owner says yes is node/web/signin/.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from aiohttp import web

from node.storage import oauth, tokens
from node.storage.dialect import Tx
from node.storage.oauth import App
from node.storage.tokens import hashed
from node.text import plain
from node.web.mastodon.call import Call
from node.web.mastodon.errors import ApiError, Invalid
from node.web.mastodon.reply import reply
from node.web.mastodon.route import ANY_TOKEN, ANYONE, SCOPES, Route

OOB = "urn:ietf:wg:oauth:2.0:oob"
"""The code is shown, and the owner types it into the app."""

MOST_URIS = 10
MOST_OF_APP = 10
"""Tokens of an app alone, which anybody may ask for as often as they like: the newest are good."""

_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")
LONGEST_URIS = 5000
"""Characters of all together."""

LONGEST_NAME = 200
_WEBSITE = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(?:[/?#][!-~]*)?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,100}")
_NEVER = frozenset(
    [
        *("javascript", "data", "file", "vbscript", "blob", "about", "filesystem", "view-source", "jar", "intent"),
        *("ftp", "ws", "wss", "mailto", "tel", "sms", "content", "chrome", "resource", "ms-appx"),
    ]
)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class OAuthError(ApiError):
    """RFC 6749 §5.2: `error` is one of its words, the message goes into `error_description`."""

    def __init__(self, word: str, message: str, *, status: int = 400) -> None:
        super().__init__(message, code=word)
        self.status = status


# ── registration ─────────────────────────────────────────────────────────────────────────────


def is_redirect(uri: str) -> bool:
    """Where a code may be sent: https, http to the machine itself, an app's own scheme, or nowhere (shown).

    security.md §7 asks for a dot in an app's own scheme. Tusky's `oauth2redirect:` and Ice Cubes'
    `icecubesapp:` have none and these apps are to work, so schemes that a browser acts on by itself
    are shut out by name instead; the owner sees the app's name and address before saying yes.
    """
    if uri == OOB:
        return True
    if len(uri) > 2000 or any(character.isspace() or not character.isprintable() for character in uri):
        return False
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    scheme = parts.scheme.lower()
    if not _SCHEME.fullmatch(scheme) or scheme in _NEVER or "\\" in uri or parts.fragment or "#" in uri:
        return False
    if scheme in ("http", "https"):
        # Nothing but a host: it is shown to the owner as where the answer goes, and named in a policy.
        named = parts.netloc if port is None else parts.netloc.removesuffix(f":{port}")
        if not host or not _HOST.fullmatch(named):
            return False
        return scheme == "https" or host in _LOOPBACK
    return len(uri) > len(scheme) + 1


def read_scopes(written: str, *, default: str = "read") -> str:
    """Scopes as asked for, those of administrators left out. Raises Invalid for one that there is not."""
    found = []
    for scope in (written or default).replace("+", " ").split()[:100]:
        if scope.startswith("admin:") or scope in found:
            continue
        if scope not in SCOPES:
            raise Invalid(f"Validation failed: Scopes doesn't match configured on the server: {scope[:40]!r}")
        found.append(scope)
    return " ".join(found or [default])


async def register(call: Call) -> web.Response:
    """A new app. Anybody may ask: it opens nothing before the owner says yes."""
    written = call.text("client_name")
    if len(written) > LONGEST_NAME:
        raise Invalid(f"Validation failed: Application name is too long (maximum is {LONGEST_NAME} characters)")
    name = plain(written, LONGEST_NAME)  # the owner reads it where it is decided who comes in
    if not name:
        raise Invalid("Validation failed: Application name can't be blank")
    uris = [uri for one in call.many("redirect_uris") or call.many("redirect_uri") for uri in one.split()]
    if not uris:
        raise Invalid("Validation failed: Redirect URI can't be blank")
    if len(uris) > MOST_URIS or sum(map(len, uris)) > LONGEST_URIS or not all(map(is_redirect, uris)):
        raise Invalid("Validation failed: Redirect URI must be an absolute URI that an app may use")
    website = call.text("website").strip() or None
    if website is not None and (len(website) > 500 or not _WEBSITE.fullmatch(website)):
        raise Invalid("Validation failed: Website must be a valid URL")
    scopes = read_scopes(call.text("scopes") or " ".join(call.many("scopes")))
    client_id, secret, now = secrets.token_urlsafe(32), secrets.token_urlsafe(32), call.rooms.clock()
    async with call.rooms.store.write() as tx:
        app = await oauth.add_app(
            tx,
            client_id=client_id,
            secret_hash=hashed(secret),
            name=name,
            website=website,
            redirect_uris=uris,
            scopes=scopes,
            at=now,
        )
        if app.id % 50 == 0:
            await oauth.forget_unused(tx, before=now - timedelta(days=1))
    return reply(_shown(call, app) | {"client_id": client_id, "client_secret": secret, "client_secret_expires_at": 0})


def _shown(call: Call, app: App) -> dict[str, Any]:
    return {
        "id": str(app.id),
        "name": app.name,
        "website": app.website,
        "scopes": app.scopes.split(),
        "redirect_uri": "\n".join(app.redirect_uris),
        "redirect_uris": list(app.redirect_uris),
        "vapid_key": call.rooms.push_key(),
    }


async def verify_app(call: Call) -> web.Response:
    """Which app the token is of."""
    token = call.the_token()
    async with call.rooms.store.read() as tx:
        app = None if token.app_id is None else await oauth.app_by_id(tx, token.app_id)
    if app is None:
        return reply(
            {"id": "0", "name": token.label, "website": None, "scopes": sorted(token.scopes), "redirect_uri": OOB}
            | {"redirect_uris": [OOB], "vapid_key": call.rooms.push_key()}
        )
    return reply(_shown(call, app))


# ── tokens ───────────────────────────────────────────────────────────────────────────────────


async def token(call: Call) -> web.Response:
    """A code, or an app's own credentials, for a token (RFC 6749 §4.1.3, §4.4)."""
    grant = call.text("grant_type")
    try:
        if grant == "authorization_code":
            return await _by_code(call)
        if grant == "client_credentials":
            return await _for_app(call)
        raise OAuthError(
            "unsupported_grant_type", f"grants are authorization_code and client_credentials: {grant!r:.60}"
        )
    except OAuthError as error:
        return _refused(error)


def _refused(error: OAuthError) -> web.Response:
    headers = {"Pragma": "no-cache"}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="cuicui"'
    return reply({"error": error.code, "error_description": error.message}, status=error.status, headers=headers)


async def _client(tx: Tx, call: Call) -> App:
    """The app that asks, having shown its secret (in the body, or by HTTP Basic)."""
    client_id, secret = call.text("client_id"), call.text("client_secret")
    scheme, _, value = call.request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise OAuthError("invalid_client", "the Authorization header cannot be read", status=401) from None
        client_id, secret = unquote_plus(name), unquote_plus(password)
    app = await oauth.app_of(tx, client_id) if client_id else None
    if app is None or not hmac.compare_digest(app.secret_hash, hashed(secret)):
        raise OAuthError("invalid_client", "the app is unknown, or its secret is wrong", status=401)
    return app


async def _by_code(call: Call) -> web.Response:
    rooms, now = call.rooms, call.rooms.clock()
    code = call.text("code")
    async with rooms.store.write() as tx:
        app = await _client(tx, call)
        grant = await oauth.grant_of(tx, hashed(code)) if code else None
        if grant is None or grant.app_id != app.id:
            raise OAuthError("invalid_grant", "the code is not one that this app was given")
        fresh = await oauth.use_grant(tx, grant.hash, now)
        stolen = [] if fresh else await tokens.revoke(tx, grant=grant.hash)
        problem = None if fresh else "the code was used before; what it gave is taken back"
        if problem is None:
            problem = _misfit(call, grant, expired=now > grant.expires_at)
        value = secrets.token_urlsafe(32)
        if problem is None:
            await tokens.add(tx, value, label=app.name, scopes=grant.scopes, at=now, app_id=app.id, grant=grant.hash)
    if stolen:
        call.api.forget_tokens(set(stolen))
    if problem is not None:  # said after the commit: a code that was tried is used up
        raise OAuthError("invalid_grant", problem)
    return _granted(value, grant.scopes, int(now.timestamp()))


def _misfit(call: Call, grant: oauth.Grant, *, expired: bool) -> str | None:
    if expired:
        return "the code is too old"
    if call.text("redirect_uri") != grant.redirect_uri:
        return "redirect_uri is not the one that the code was asked with"
    verifier = call.text("code_verifier")
    if grant.challenge is None:
        return "a code_verifier, and the code was asked without a challenge" if verifier else None
    digest = hashlib.sha256(verifier.encode("utf-8", "surrogatepass")).digest()
    made = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return None if hmac.compare_digest(made, grant.challenge) else "code_verifier does not fit the challenge"


async def _for_app(call: Call) -> web.Response:
    """A token for the app itself: it opens what is open to anybody, and names the app."""
    now = call.rooms.clock()
    async with call.rooms.store.write() as tx:
        app = await _client(tx, call)
        try:
            scopes = read_scopes(call.text("scope"))
        except Invalid as error:
            raise OAuthError("invalid_scope", error.message) from None
        if not covered(scopes, app.scopes):
            raise OAuthError("invalid_scope", f"the app is registered for: {app.scopes}")
        value = secrets.token_urlsafe(32)
        await tokens.add(tx, value, label=app.name, scopes=scopes, at=now, kind="app", app_id=app.id)
        gone = await tokens.keep_newest(tx, app_id=app.id, most=MOST_OF_APP)
    if gone:
        call.api.forget_tokens(set(gone))
    return _granted(value, scopes, int(now.timestamp()))


def covered(scopes: str, registered: str) -> bool:
    """Whether an app may ask for these, given those that it was registered with."""
    have = set(registered.split())
    follow = {f"{act}:{what}" for act in ("read", "write") for what in ("blocks", "follows", "mutes")}
    return all(
        scope in have or scope.partition(":")[0] in have or ("follow" in have and scope in follow)
        for scope in scopes.split()
    )


def _granted(value: str, scopes: str, at: int) -> web.Response:
    return reply(
        {"access_token": value, "token_type": "Bearer", "scope": scopes, "created_at": at},
        headers={"Pragma": "no-cache"},
    )


async def revoke(call: Call) -> web.Response:
    """RFC 7009: an app takes back a token of its own. Nobody learns whether others exist."""
    value = call.text("token")
    try:
        async with call.rooms.store.write() as tx:
            app = await _client(tx, call)
            known = await tokens.find(tx, value) if value else None
            if known is None:
                return reply({})
            if known.app_id != app.id:
                raise OAuthError("unauthorized_client", "the token is not of this app", status=403)
            gone = await tokens.revoke(tx, hashes=[known.hash])
    except OAuthError as error:
        return _refused(error)
    call.api.forget_tokens(set(gone))
    return reply({})


# ── what there is ────────────────────────────────────────────────────────────────────────────


async def metadata(call: Call) -> web.Response:
    """RFC 8414."""
    base = call.rooms.ids.base
    return reply(
        {
            "issuer": f"{base}/",
            "authorization_endpoint": f"{base}/oauth/authorize",
            "token_endpoint": f"{base}/oauth/token",
            "revocation_endpoint": f"{base}/oauth/revoke",
            "app_registration_endpoint": f"{base}/api/v1/apps",
            "scopes_supported": sorted(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
    )


ROUTES = (
    Route("POST", "/api/v1/apps", register, ANYONE),
    Route("GET", "/api/v1/apps/verify_credentials", verify_app, ANY_TOKEN),
    Route("POST", "/oauth/token", token, ANYONE),
    Route("POST", "/oauth/revoke", revoke, ANYONE),
    Route("GET", "/.well-known/oauth-authorization-server", metadata, ANYONE),
)
