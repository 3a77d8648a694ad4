"""What keeps a draft from being published: all of it, so that its organizer can mend it at once."""

from __future__ import annotations

from datetime import datetime

from evently.catalogue import CatalogueRefusal, Event
from evently.kit.denominations import Denominations, iso_denomination
from evently.kit.errors import Refused
from evently.organizing.edits import refuse_online_payment
from evently.organizing.payable import check_sale_payable
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import Sale


def list_obstacles(
    event: Event,
    sale: Sale,
    now: datetime,
    denominations: Denominations = iso_denomination,
    *,
    paid_online: bool = True,
) -> list[Refused]:
    """Return every refusal of publishing a draft now, in the order in which `publish_event` refuses."""
    found = []
    if event.starts_at <= now:
        found.append(Refused(CatalogueRefusal.STARTED_ALREADY))
    try:
        if not paid_online:
            refuse_online_payment(sale)
        check_sale_payable(denominations, sale)
    except Refused as exc:
        found.append(exc)
    if all(terms.retired or terms.needed_ids for terms in sale.ticket_types.values()):
        found.append(Refused(SalesRefusal.NOTHING_TO_SELL))
    return found
