"""Accounts: people and their sessions, organizers with members and API keys.

`Accounts` is built once per process: registering, logging in and out, tokens, revocations, roles and keys as the guard asks for them. The
other names are verbs on rows, in the caller's transaction. Nothing here knows tickets, or HTTP.
"""

from evently.accounts.accounts import Accounts, Grant, register_admin
from evently.accounts.hashing import HashingOptions
from evently.accounts.installation import read_secret
from evently.accounts.invitations import (
    Invitation,
    accept_invitation,
    invite,
    list_invitations,
    withdraw_invitation,
)
from evently.accounts.keys import SCOPES, ApiKey, ScopeName, create_key, list_keys, revoke_key
from evently.accounts.members import (
    Member,
    MemberRole,
    add_member,
    change_member_role,
    find_role,
    get_member,
    list_members,
    read_member,
    remove_member,
)
from evently.accounts.organizers import (
    Membership,
    Organizer,
    create_organizer,
    edit_organizer,
    get_organizer,
    list_memberships,
    lock_organizer,
)
from evently.accounts.passwords import PASSWORD_CHARACTERS_MAX, PASSWORD_CHARACTERS_MIN
from evently.accounts.people import (
    Person,
    add_person,
    change_role,
    email_errors,
    find_by_email,
    get_person,
    list_people,
    lock_person,
    lock_with_admins,
    name_errors,
    normalise_email,
    normalise_name,
    rename,
)
from evently.accounts.refusals import AccountsRefusal
from evently.accounts.rehearsals import REHEARSAL_BUYERS_MAX, add_rehearsal_buyers
from evently.accounts.sessions import end_all_sessions
from evently.accounts.tokens import Claims, PlatformRole, TokenOptions, derive_key
from evently.accounts.upkeep import forget_expired

__all__ = [
    "PASSWORD_CHARACTERS_MAX",
    "PASSWORD_CHARACTERS_MIN",
    "REHEARSAL_BUYERS_MAX",
    "SCOPES",
    "Accounts",
    "AccountsRefusal",
    "ApiKey",
    "Claims",
    "Grant",
    "HashingOptions",
    "Invitation",
    "Member",
    "MemberRole",
    "Membership",
    "Organizer",
    "Person",
    "PlatformRole",
    "ScopeName",
    "TokenOptions",
    "accept_invitation",
    "add_member",
    "add_person",
    "add_rehearsal_buyers",
    "change_member_role",
    "change_role",
    "create_key",
    "create_organizer",
    "derive_key",
    "edit_organizer",
    "email_errors",
    "end_all_sessions",
    "find_by_email",
    "find_role",
    "forget_expired",
    "get_member",
    "get_organizer",
    "get_person",
    "invite",
    "list_invitations",
    "list_keys",
    "list_members",
    "list_memberships",
    "list_people",
    "lock_organizer",
    "lock_person",
    "lock_with_admins",
    "name_errors",
    "normalise_email",
    "normalise_name",
    "read_member",
    "read_secret",
    "register_admin",
    "remove_member",
    "rename",
    "revoke_key",
    "withdraw_invitation",
]
