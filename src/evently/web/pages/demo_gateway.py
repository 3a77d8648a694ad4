"""The page of the demo gateway: the buyer approves or declines a payment, as on the page of a bank.

No real money is taken.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

from evently.checkout import CheckoutRefusal
from evently.kit.errors import Refused
from evently.kit.money import show_money
from evently.payments import DEMO_PAGE_PATH, DemoCharge, DemoGateway, Guarded
from evently.payments.cards import CARDS
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.context import Response
from evently.web.edge.html import render
from evently.web.edge.routing import FromPath, get, post
from evently.web.pages.rendering import see_other
from evently.web.services import Request

_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
}


@get(f"{DEMO_PAGE_PATH}/{{reference}}", include_in_schema=False, **policy(PUBLIC))
async def show_charge(request: Request, reference: FromPath[str]) -> Response[str]:
    """Return the page of a charge."""
    return _page(await _find_charge(request, reference))


@post(
    f"{DEMO_PAGE_PATH}/{{reference}}",
    include_in_schema=False,
    status_code=303,
    reads_body=True,
    **policy(PUBLIC),
)
async def decide_charge(request: Request, reference: FromPath[str]) -> Response[None]:
    """Approve or decline a charge, resume its payment, and lead to the page with the result.

    Repeating the request changes nothing; and Back shows a page that was read, not a form that was sent.
    """
    charge = await _find_charge(request, reference)
    choice = parse_qs((await request.body()).decode("latin-1")).get("answer", [""])[-1]
    if charge.state == "action_needed" and choice in {"yes", "no"}:
        gateway = _gateway(request)
        await (gateway.approve(reference) if choice == "yes" else gateway.decline(reference))
        await request.context.checkout.resume_by_reference(gateway.name, reference)
    return see_other(f"{DEMO_PAGE_PATH}/{charge.reference}")


def _gateway(request: Request) -> DemoGateway:
    guarded = request.context.checkout.gateways.get(DemoGateway.name)
    if not isinstance(guarded, Guarded) or not isinstance(guarded.inner, DemoGateway):
        raise Refused(CheckoutRefusal.UNKNOWN_GATEWAY)
    return guarded.inner


async def _find_charge(request: Request, reference: str) -> DemoCharge:
    charge = await _gateway(request).find_charge(reference)
    if charge is None:
        raise Refused(CheckoutRefusal.PAYMENT_NOT_FOUND)
    return charge


def _page(charge: DemoCharge) -> Response[str]:
    return render(
        "demo_pay.html",
        _HEADERS,
        charge=charge,
        amount=show_money(charge.amount_minor, charge.currency),
        cards=CARDS,
    )


routes: Final = [show_charge, decide_charge]
