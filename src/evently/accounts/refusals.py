"""The refusals of this package."""

from __future__ import annotations

from evently.kit.errors import Refusal


class AccountsRefusal(Refusal):
    """Refusals about people, their sessions, and organizers with their members and keys."""

    WRONG_CREDENTIALS = "wrong-credentials"
    WRONG_PASSWORD = "wrong-password"  # noqa: S105  # a code, no password
    TOO_MANY_ATTEMPTS = "too-many-attempts"
    TOKEN_INVALID = "token-invalid"  # noqa: S105  # a code, no token
    TOKEN_EXPIRED = "token-expired"  # noqa: S105  # a code, no token
    REFRESH_TOKEN_INVALID = "refresh-token-invalid"  # noqa: S105  # a code, no token
    REFRESH_TOKEN_REUSED = "refresh-token-reused"  # noqa: S105  # a code, no token
    WRONG_CODE = "wrong-code"
    CODE_EXPIRED = "code-expired"
    TOO_MANY_CODES = "too-many-codes"
    NO_MAIL = "no-mail"
    NO_PASSKEYS = "no-passkeys"
    WRONG_PASSKEY = "wrong-passkey"
    PASSKEY_EXPIRED = "passkey-expired"
    PASSKEY_NOT_ADDED = "passkey-not-added"
    LOGIN_TOO_OLD = "login-too-old"
    EMAIL_TAKEN = "email-taken"
    EMAIL_NOT_VERIFIED = "email-not-verified"
    ACCOUNT_LOCKED = "account-locked"
    NOT_YOURSELF = "not-yourself"
    LAST_ADMIN = "last-admin"
    LAST_OWNER = "last-owner"
    ALREADY_MEMBER = "already-member"
    INVITATION_INVALID = "invitation-invalid"
    LIMIT_REACHED = "limit-reached"
