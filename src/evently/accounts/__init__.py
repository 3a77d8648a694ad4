"""Accounts: people and their sessions, and organizers with their members, invitations and API keys.

`Accounts` is built once per process: registration, login, refresh, logout, and what the access check of every
request uses (`tokens`, `revocations`, `roles`, `keys`). The other functions work on rows, in the caller's
transaction.

accounts       the class `Accounts`                people         names, e-mails, platform roles, erasure
sessions       logins and their refresh tokens     organizers     the parties that run events
tokens         access and refresh tokens           members        who belongs to an organizer, with which role
revocations    sessions that ended early           invitations    how a person becomes a member
codes          codes and links by e-mail           keys           API keys of organizers
passkeys       keys on the devices of people       site           for which passkeys are made
attempts       the bound on guessed passwords
passwords      which passwords are accepted        rehearsals     the buyers of a rehearsal
hashing        argon2id, in threads                installation   the secret of the installation
refusals       the codes of all refusals           upkeep         deletion of expired rows
acts           what administrators did, and why

This package must never import another domain, or know of HTTP.
"""

from evently.accounts import (
    acts,
    codes,
    invitations,
    keys,
    members,
    organizers,
    passkeys,
    passwords,
    people,
    rehearsals,
    sessions,
)
from evently.accounts.accounts import Accounts, Grant, register_admin
from evently.accounts.hashing import HashingOptions
from evently.accounts.installation import read_secret
from evently.accounts.members import MemberRole
from evently.accounts.organizers import Organizer
from evently.accounts.people import Person
from evently.accounts.refusals import AccountsRefusal
from evently.accounts.sessions import end_all_sessions
from evently.accounts.site import Site, find_site
from evently.accounts.tokens import PlatformRole, TokenOptions, derive_key
from evently.accounts.upkeep import delete_expired

__all__ = [
    "Accounts",
    "AccountsRefusal",
    "Grant",
    "HashingOptions",
    "MemberRole",
    "Organizer",
    "Person",
    "PlatformRole",
    "Site",
    "TokenOptions",
    "acts",
    "codes",
    "delete_expired",
    "derive_key",
    "end_all_sessions",
    "find_site",
    "invitations",
    "keys",
    "members",
    "organizers",
    "passkeys",
    "passwords",
    "people",
    "read_secret",
    "register_admin",
    "rehearsals",
    "sessions",
]
