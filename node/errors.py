"""The family of errors, drawn as a tree, each with the HTTP status it is answered with.

CuicuiError                     keys/errors.py: code, message, hint
├── BadDocument                 400   JSON the strict reader refuses
├── BadKey · BadSignature · BadProof · KeyFileError · Locked
├── Refused                     4xx   a stranger's request we say no to; `reason` names it
│   └── Malformed               400   their JSON is not what ActivityPub says
├── Unreachable                 –     a server we could not fetch from or deliver to
├── NotAllowed                  422   the owner asked for something that cannot be
│   └── TooLong                 422   more than 140 characters
├── NotFound                    404   no such note, actor or page
├── BadSettings                 –     a settings key or value that stops the start
├── StoreError                  503   the database is full, locked, damaged or absent
└── StartError                  –     the node cannot start: port in use, already running …
"""

from __future__ import annotations

from enum import Enum

from keys.errors import BadDocument, BadKey, BadProof, BadSignature, CuicuiError, KeyFileError, Locked

__all__ = [
    "BadDocument",
    "BadKey",
    "BadProof",
    "BadSettings",
    "BadSignature",
    "CuicuiError",
    "KeyFileError",
    "Locked",
    "Malformed",
    "NotAllowed",
    "NotFound",
    "Reason",
    "Refused",
    "StartError",
    "StoreError",
    "TooLong",
    "Unreachable",
]


class Reason(Enum):
    """Every way we say no to a stranger: (code, HTTP status). Logs, metrics and tests use the code."""

    # the request
    TOO_LARGE = ("too_large", 413)
    ENCODED_BODY = ("encoded_body", 415)
    WRONG_TYPE = ("wrong_type", 415)
    BROKEN_BODY = ("broken_body", 400)
    SLOW_BODY = ("slow_body", 408)
    BUSY = ("busy", 503)
    # the signature (http-signatures.md)
    UNSIGNED = ("unsigned", 401)
    BAD_SIGNATURE_HEADER = ("bad_signature_header", 400)
    UNCOVERED_TARGET = ("uncovered_target", 401)
    UNCOVERED_HOST = ("uncovered_host", 401)
    UNCOVERED_DATE = ("uncovered_date", 401)
    UNCOVERED_BODY = ("uncovered_body", 401)
    WRONG_HOST = ("wrong_host", 401)
    WRONG_DIGEST = ("wrong_digest", 401)
    STALE = ("stale", 401)
    UNKNOWN_KEY = ("unknown_key", 401)
    WRONG_SIGNATURE = ("wrong_signature", 401)
    KEY_UNREACHABLE = ("key_unreachable", 503)
    # the document
    BROKEN_JSON = ("broken_json", 400)
    DUPLICATE_NAME = ("duplicate_name", 400)
    TOO_DEEP = ("too_deep", 400)
    BAD_NUMBER = ("bad_number", 400)
    LONE_SURROGATE = ("lone_surrogate", 400)
    NOT_UTF8 = ("not_utf8", 400)
    MALFORMED = ("malformed", 400)
    # who may say what (security.md §2)
    WRONG_ACTOR = ("wrong_actor", 403)
    WRONG_ORIGIN = ("wrong_origin", 403)
    WRONG_AUTHOR = ("wrong_author", 403)
    OWN_ORIGIN = ("own_origin", 403)
    BLOCKED = ("blocked", 403)
    BAD_PROOF = ("bad_proof", 403)
    NOT_FOR_US = ("not_for_us", 404)

    @property
    def code(self) -> str:
        return self.value[0]

    @property
    def status(self) -> int:
        return self.value[1]


class Refused(CuicuiError):
    """A stranger's request that we refuse; answered with `reason.status` and a JSON error."""

    def __init__(self, reason: Reason, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, code=reason.code, hint=hint)
        self.reason = reason

    @property
    def status(self) -> int:
        return self.reason.status


class Malformed(Refused):
    """Their JSON is well formed and still not what ActivityPub says."""

    def __init__(self, message: str, *, got: object = None) -> None:
        seen = f" (got {type(got).__name__})" if got is not None else ""
        super().__init__(Reason.MALFORMED, message + seen)


class Unreachable(CuicuiError):
    """A server that could not be fetched from or delivered to.

    `code` is one of: dns, refused_address, bad_url, connect, tls, timeout, too_large,
    too_many_redirects, bad_redirect, http_error, wrong_type, broken_answer.
    `status` is the HTTP status when there was one; `retry_after` its Retry-After in seconds.
    """

    code = "unreachable"

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int | None = None,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.status = status
        self.retry_after = retry_after


class NotAllowed(CuicuiError):
    """The owner asked for something that cannot be done; the message says why."""

    code = "not_allowed"


class TooLong(NotAllowed):
    """More than 140 characters, as decisions.md §13 counts them."""

    code = "too_long"


class NotFound(CuicuiError):
    """There is no such thing here, or it is not for the one who asks."""

    code = "not_found"


class BadSettings(CuicuiError):
    """A settings key or value that stops the start; the message shows the key, the value and a right one."""

    code = "bad_settings"


class StoreError(CuicuiError):
    """The database is full, locked, damaged or absent; nothing was half-written."""

    code = "store"


class StartError(CuicuiError):
    """The node cannot start as it is asked to."""

    code = "start"
