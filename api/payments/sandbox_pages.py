"""What a cardholder sees of the sandbox: choosing a test card, and confirming a payment as for 3-D Secure.

Plain forms without scripts, so that a person, a browser under test and `curl -d card=…` all do the same. An address
that was not written by the sandbox is not found.
"""

import base64
import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from api.payments.bodies import read_body
from api.payments.sandbox_cards import BY_NUMBER, CARDS
from api.payments.sandbox_links import Link, Place, SandboxLinks
from domain.money import MINOR_DIGITS, Currency, decimal_text
from domain.payments import PaymentFailure
from persistence.sandbox_store import SandboxPayment, SandboxState, SandboxStore

logger = logging.getLogger(__name__)

MAX_FORM_BYTES = 2_000
METHODS = ("GET", "POST")
_PAGES = Path(__file__).parent / "pages"
_STYLE = (_PAGES / "page.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_TEMPLATE = Template((_PAGES / "page.html").read_text(encoding="utf-8"))

_ENDS = {
    SandboxState.SUCCEEDED: ("Payment confirmed", "Go back and call <code>completePurchase</code>."),
    SandboxState.DECLINED: ("Payment refused", "Nothing was charged. <code>completePurchase</code> tells why."),
    SandboxState.CANCELED: ("Payment no longer open", "Nothing was charged. Buy again for another try."),
    SandboxState.CREATED: ("Payment not started", "Nothing was charged yet, and there is nothing to confirm."),
}

Answer = Callable[[Request, Link], Awaitable[Response]]
Tell = Callable[[UUID, UUID], Awaitable[object]]
"""Given company and top-up: the sandbox's webhook, so to speak. Farebox asks what became of the payment."""


class SandboxPages:
    def __init__(self, store: SandboxStore, links: SandboxLinks, tell: Tell) -> None:
        self._store = store
        self._links = links
        self._tell = tell

    def routes(self) -> Sequence[BaseRoute]:
        answers = {Place.CARDS: self._card, Place.PAYMENTS: self._payment}
        return [
            Route(f"/sandbox/{place}/{{row}}", self._sealed(place, answer), methods=METHODS)
            for place, answer in answers.items()
        ]

    def _sealed(self, place: Place, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            asked = request.query_params
            link = self._links.read(
                place,
                request.path_params["row"],
                asked.get("company", ""),
                asked.get("return"),
                asked.get("seal", ""),
            )
            return await answer(request, link) if link else _not_found()

        return serve

    async def _card(self, request: Request, link: Link) -> Response:
        number = await self._store.chosen_card(link.company_id, link.id)
        if number is None:
            return _not_found()
        if request.method == "POST":
            number = (await _form(request)).get("card", "").replace(" ", "")
            if number not in BY_NUMBER:
                return _page("No such test card", "<p>Go back and choose one of the list.</p>", link, status=400)
            await self._store.choose_card(link.company_id, link.id, number)
            return _done(link, "Card chosen", "Go back and call <code>savePaymentMethod</code>.")
        return _page("Choose a test card", _card_form(number), link)

    async def _payment(self, request: Request, link: Link) -> Response:
        payment = await self._store.find_payment(link.company_id, link.id)
        if payment is None:
            return _not_found()
        if payment.state is SandboxState.REQUIRES_ACTION:
            if request.method != "POST":
                return _page("Confirm this payment", _confirmation(payment), link)
            action = (await _form(request)).get("action")
            if action not in {"confirm", "refuse"}:
                return _page("Confirm or refuse", "<p>Send action=confirm or action=refuse.</p>", link, status=400)
            await self._decide(payment, is_confirmed=action == "confirm")
            await self._news_of(payment, link)
            payment = await self._store.find_payment(link.company_id, link.id) or payment
            return _done(link, *_ENDS[payment.state])
        title, text = _ENDS[payment.state]
        return _page(title, f"<p>{text}</p>", link)

    async def _news_of(self, payment: SandboxPayment, link: Link) -> None:
        """As with any processor, the cardholder's page does not fail because the shop does not listen."""
        try:
            await self._tell(link.company_id, payment.top_up_id)
        except Exception:
            logger.exception("A payment was decided on in the sandbox, and could not be settled at once.")

    async def _decide(self, payment: SandboxPayment, *, is_confirmed: bool) -> None:
        if is_confirmed:
            await self._store.move(payment, SandboxState.SUCCEEDED, takes_money=True)
        else:
            reason = PaymentFailure.AUTHENTICATION_FAILED
            await self._store.move(payment, SandboxState.DECLINED, reason=reason)


async def _form(request: Request) -> dict[str, str]:
    body = await read_body(request, MAX_FORM_BYTES)
    fields = parse_qs((body or b"").decode("ascii", errors="replace"))
    return {name: values[-1] for name, values in fields.items()}


def _card_form(chosen: str) -> str:
    rows = "\n".join(
        f'          <label><input type="radio" name="card" value="{card.number}"'
        f"{' checked' if card.number == chosen else ''} />"
        f"<span>{escape(card.text)}</span><code>{_spaced(card.number)}</code></label>"
        for card in CARDS
    )
    return f"""      <p class="quiet">Each card always does what it says.</p>
      <form method="post">
        <fieldset>
          <legend>Test card</legend>
{rows}
        </fieldset>
        <div class="buttons"><button>Use this card</button></div>
      </form>"""


def _confirmation(payment: SandboxPayment) -> str:
    digits = MINOR_DIGITS[Currency(payment.currency)]
    amount = decimal_text(payment.amount_minor, digits) if digits else str(payment.amount_minor)
    return f"""      <p class="amount">{amount} {escape(payment.currency)}</p>
      <p class="quiet">Card ending {escape(payment.card[-4:])}. Your bank would ask you here.</p>
      <form method="post" class="buttons">
        <button name="action" value="confirm">Confirm</button>
        <button name="action" value="refuse" class="second">Refuse</button>
      </form>"""


def _spaced(number: str) -> str:
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4))


def _done(link: Link, title: str, text: str) -> Response:
    if link.return_url:
        return RedirectResponse(link.return_url, 303, headers={"Referrer-Policy": "no-referrer"})
    return _page(title, f"<p>{text}</p>", link)


def _not_found() -> Response:
    return _page("Not found", "<p>This address leads nowhere. Ask for a new one.</p>", None, status=404)


def _page(title: str, content: str, link: Link | None, *, status: int = 200) -> Response:
    # A browser also holds the address that a form's answer leads on to against `form-action`.
    back = urlsplit(link.return_url) if link and link.return_url else None
    targets = f"'self' {back.scheme}://{back.netloc}" if back else "'self'"
    headers = {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; form-action {targets};"
            " base-uri 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
    }
    html = _TEMPLATE.substitute(title=escape(title), style=_STYLE, content=content)
    return HTMLResponse(html, status, headers)
