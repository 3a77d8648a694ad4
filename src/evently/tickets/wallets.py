"""The wallets that are configured; without certificates there is none, and nothing offers one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from evently.tickets.apple import ApplePasses
from evently.tickets.google import GooglePasses


class WalletOptions(msgspec.Struct, frozen=True):
    """Files with keys and certificates, or None. Those of a wallet are all there or all None."""

    apple_certificate: Path | None = None
    apple_key: Path | None = None
    apple_authority: Path | None = None
    google_account: Path | None = None
    google_issuer: str | None = None


class Wallets:
    """What makes the passes of each wallet; None where it is not configured."""

    def __init__(self, options: WalletOptions) -> None:
        """Read keys and certificates; raises WalletError where they cannot be used."""
        self.apple: ApplePasses | None = None
        self.google: GooglePasses | None = None
        if options.apple_certificate and options.apple_key and options.apple_authority:
            self.apple = ApplePasses(options.apple_certificate, options.apple_key, options.apple_authority)
        if options.google_account and options.google_issuer:
            self.google = GooglePasses(options.google_account, options.google_issuer)

    def offered(self, now: datetime) -> tuple[ApplePasses | None, GooglePasses | None]:
        """Return the makers of passes that work now: an expired certificate signs none."""
        apple = self.apple if self.apple is not None and self.apple.signs_at(now) else None
        return apple, self.google
