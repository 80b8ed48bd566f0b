"""localstripe, a look-alike of Stripe's API, as a process of its own: `python -m tests.localstripe_server [stock]`.

It listens on a loopback port that it prints, and writes nothing to disk. Unless `stock`, it is taught what Stripe does
and it does not: a description, `return_url` and `off_session` with their refusals, the reasons of declined cards,
cards that are refused when charged rather than when saved, and that no more is refunded than was paid.
"""

import socket
import sys
from typing import Any

from aiohttp import web
from localstripe import resources
from localstripe.errors import UserError

DECLINE_CODES = {
    "4000000000000002": "generic_decline",
    "4000000000009995": "insufficient_funds",
    "4000000000000069": "expired_card",
    "4000000000000341": "generic_decline",
}
Intent, Method, Charge, Refund = resources.PaymentIntent, resources.PaymentMethod, resources.Charge, resources.Refund


def teach() -> None:
    Method._attaching_is_declined = lambda method: False
    Method._charging_is_declined = lambda method: method._card_number in DECLINE_CODES
    _teach_descriptions()
    _teach_confirmation()
    _teach_reasons()
    _teach_refunds()


def _teach_descriptions() -> None:
    create = Intent._api_create.__func__

    def described(cls: Any, description: str | None = None, **data: Any) -> Any:
        intent = create(cls, **data)
        intent.description = description
        return intent

    Intent._api_create = classmethod(described)


def _teach_confirmation() -> None:
    confirm = Intent._api_confirm.__func__

    def confirmed(cls: Any, id: str, off_session: Any = None, return_url: str | None = None, **more: Any) -> Any:
        intent = cls._api_retrieve(id)
        if (
            resources.try_convert_to_bool(off_session)
            and Method._api_retrieve(intent.payment_method)._requires_authentication()
        ):
            intent._off_session_failure = {"code": "authentication_required", "type": "card_error"}
            intent.payment_method = None
            raise UserError(402, "Your card was declined.", {"code": "authentication_required"})
        confirm(cls, id, **more)
        if intent.next_action and return_url:
            redirect = {"url": f"https://hooks.stripe.example/3d_secure/{id}", "return_url": return_url}
            intent.next_action = {"type": "redirect_to_url", "redirect_to_url": redirect}
        return intent

    Intent._api_confirm = classmethod(confirmed)
    path = "/v1/payment_intents/{id}/confirm"
    others = [route for route in resources.extra_apis if route[1] != path]
    resources.extra_apis[:] = [*others, ("POST", path, Intent._api_confirm)]


def _teach_reasons() -> None:
    tell = Intent.last_payment_error.fget

    def told(intent: Any) -> Any:
        if hasattr(intent, "_off_session_failure"):
            return intent._off_session_failure
        error = tell(intent)
        charge = intent.latest_charge
        if error and charge and charge.status == "failed":
            code = DECLINE_CODES[Method._api_retrieve(charge.payment_method)._card_number]
            error["code"] = "expired_card" if code == "expired_card" else "card_declined"
            error["decline_code"] = code
        return error

    Intent.last_payment_error = property(told)


def _teach_refunds() -> None:
    create = Refund._api_create.__func__

    def limited(cls: Any, payment_intent: str | None = None, amount: Any = None, **data: Any) -> Any:
        charge = Intent._api_retrieve(payment_intent).latest_charge
        if charge is None or charge.amount_refunded + int(amount) > charge.amount:
            raise UserError(400, "More than is left of the charge.", {"code": "charge_already_refunded"})
        return create(cls, payment_intent=payment_intent, amount=amount, **data)

    Refund._api_create = classmethod(limited)


def main() -> None:
    resources.Store.dump_to_disk = lambda store: None
    if "stock" not in sys.argv[1:]:
        teach()
    from localstripe import server  # it binds its routes when it is imported, so after the lessons

    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    web.run_app(server.app, sock=listener, print=None, access_log=None)


if __name__ == "__main__":
    main()
