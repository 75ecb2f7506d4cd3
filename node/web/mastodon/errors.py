"""Errors that only the client API answers with, each with its HTTP status (Mastodon's own)."""

from __future__ import annotations

from node.errors import CuicuiError


class ApiError(CuicuiError):
    """Something an app asked for and does not get. `status` is the HTTP status."""

    status = 400


class Unreadable(ApiError):
    """A body that is not the JSON or the form that it says it is."""

    code = "unreadable"


class Unauthorized(ApiError):
    """No token, or one that is not good any more: the app has to let its user log in again."""

    status = 401
    code = "unauthorized"


class Forbidden(ApiError):
    """A good token that may not do this."""

    status = 403
    code = "forbidden"


class TooSlow(ApiError):
    """A body that did not arrive in time."""

    status = 408
    code = "too_slow"


class Gone(ApiError):
    status = 410
    code = "gone"


class TooLarge(ApiError):
    status = 413
    code = "too_large"


class Unsupported(ApiError):
    status = 415
    code = "unsupported"


class Invalid(ApiError):
    """A request that is well formed and cannot be done; the message names the field."""

    status = 422
    code = "invalid"


class TooMany(ApiError):
    status = 429
    code = "too_many_requests"
