"""The people of the demo: one account for each role, and buyers who cannot log in."""

from __future__ import annotations

from typing import Final, NamedTuple

from evently.accounts import MemberRole, PlatformRole

DOMAIN: Final = "evently.example"
PASSWORD: Final = "evently-demo"  # noqa: S105  # of all demo accounts; `evently demo` prints it


class DemoAccount(NamedTuple):
    """An account that can log in, with its role in an organizer."""

    user: str
    name: str
    role: PlatformRole = "buyer"
    organizer: str | None = None
    member_role: MemberRole | None = None

    @property
    def email(self) -> str:
        """The e-mail address of the account."""
        return f"{self.user}@{DOMAIN}"


ACCOUNTS: Final = (
    DemoAccount("admin", "Ada Admiraal", role="admin"),
    DemoAccount("owner", "Jule Brandt", organizer="klangwerk", member_role="owner"),
    DemoAccount("manager", "Tarek Haddad", organizer="klangwerk", member_role="manager"),
    DemoAccount("door", "Mina Kowalska", organizer="klangwerk", member_role="door"),
    DemoAccount("buyer", "Robin Okafor"),
    DemoAccount("forum", "Priya Nair", organizer="forum", member_role="owner"),
    DemoAccount("harbour", "Sam Whitlock", organizer="harbour", member_role="owner"),
    DemoAccount("patio", "Lucía Ferreyra", organizer="patio", member_role="owner"),
    DemoAccount("hinode", "Haruka Ishii", organizer="hinode", member_role="owner"),
    DemoAccount("southerly", "Tāne Walker", organizer="southerly", member_role="owner"),
)

BUYERS: Final = (
    "Aiko Tanaka", "Alejandra Ruiz", "Amara Diallo", "Anders Lund", "Anjali Mehta", "Astrid Nyberg",
    "Beatriz Costa", "Bikram Thapa", "Camille Laurent", "Carlos Mendoza", "Chen Wei", "Chloe Martin",
    "Daniel Cohen", "David Osei", "Elena Petrova", "Emeka Obi", "Emma Johansson", "Fatima Zahra",
    "Finn O'Connor", "Giulia Rossi", "Grace Kim", "Hana Novak", "Hassan Ali", "Hemi Ngata", "Ines Almeida",
    "Ingrid Berg", "Isabella Silva", "Jack Wilson", "Jamal Carter", "Jonas Weber", "Kenji Sato",
    "Klara Schmidt", "Lakshmi Iyer", "Liam Murphy", "Lina Farouk", "Maja Jensen", "Marco Bianchi",
    "María José Vega", "Mehmet Yılmaz", "Moana Tuhoe", "Nadia Rahman", "Noah Fischer", "Olga Ivanova",
    "Olivia Brown", "Paulo Souza", "Pema Sherpa", "Ravi Kapoor", "Rosa Jiménez", "Ryo Nakamura",
    "Sara Lindholm", "Sione Faleolo", "Sofia Andersson", "Thandiwe Mokoena", "Thomas Becker",
    "Valentina Moreno", "Viktor Horvat", "Wanjiru Kamau", "Yuki Mori", "Zoë Janssens", "Ásta Jónsdóttir",
)  # fmt: skip
