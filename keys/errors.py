"""The root of the one family of errors, and the branch that belongs to keys."""

from __future__ import annotations


class CuicuiError(Exception):
    """Something cuicui refuses or could not do, in words a person can act on.

    `code` is stable and meant for programs; the message says what happened and names the
    offending value; `hint` says what to do next.
    """

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code


class BadDocument(CuicuiError):
    """JSON that the strict reader refuses; `code` says which rule it broke.

    Codes: not_utf8, broken_json, duplicate_name, too_deep, bad_number, lone_surrogate.
    """

    code = "broken_json"


class BadKey(CuicuiError):
    """Text or bytes that are not a key we accept (wrong form, wrong size, small order)."""

    code = "bad_key"


class BadSignature(CuicuiError):
    """A signature that does not hold over these bytes under this key."""

    code = "bad_signature"


class BadProof(CuicuiError):
    """An integrity proof that is there and does not hold; `code` says why."""

    code = "bad_proof"


class KeyFileError(CuicuiError):
    """A key file that is missing, damaged or readable by others. The message names the file."""

    code = "key_file"


class Locked(KeyFileError):
    """A sealed key file and no passphrase, or the wrong one."""

    code = "locked"
