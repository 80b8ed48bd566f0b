"""localstripe, a look-alike of Stripe's API, as a process of its own: `python -m tests.localstripe_server [stock]`.

It listens on a loopback port that it prints, and writes nothing to disk. Unless `stock`, it is taught what Stripe does
and it does not: a description, `return_url` and `off_session` with their refusals, the reasons of declined cards and
of cancellations, cards that are refused when charged rather than when saved, that no more is refunded than was paid,
what is too little or gone, and that an idempotency key is for the same parameters only.
"""

import socket
import sys
from typing import Any

from aiohttp import web
from localstripe import resources
from localstripe.errors import UserError

MINIMUM_CENTS = 50
DECLINE_CODES = {
    "4000000000000002": "generic_decline",
    "4000000000009995": "insufficient_funds",
    "4000000000000069": "expired_card",
    "4000000000000341": "generic_decline",
}
KEYS: dict[str, tuple[str, bytes]] = {}
Intent, Method, Charge, Refund = resources.PaymentIntent, resources.PaymentMethod, resources.Charge, resources.Refund


def teach() -> None:
    Method._attaching_is_declined = lambda method: False
    Method._charging_is_declined = lambda method: method._card_number in DECLINE_CODES
    _teach_descriptions()
    _teach_confirmation()
    _teach_reasons()
    _teach_refunds()
    _teach_what_is_gone()
    _teach_cancellations()


def _teach_descriptions() -> None:
    create = Intent._api_create.__func__

    def described(cls: Any, description: str | None = None, **data: Any) -> Any:
        if int(data["amount"]) < MINIMUM_CENTS:
            raise UserError(400, "Amount must be at least 50 cents.", {"code": "amount_too_small", "param": "amount"})
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
    _answer_at("/v1/payment_intents/{id}/confirm", Intent._api_confirm)


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


def _teach_what_is_gone() -> None:
    """A card that was detached is as good as none: it is not looked up for a charge any more."""
    find, find_method = resources.StripeObject._api_retrieve.__func__, Method._api_retrieve.__func__
    detach = Method._api_detach.__func__

    def missing(what: str) -> UserError:
        return UserError(404, f"No such {what}.", {"code": "resource_missing"})

    def found(cls: Any, id: str) -> Any:
        try:
            return find(cls, id)
        except UserError as error:
            if error.code != 404:
                raise
            raise missing(cls.object) from error

    def found_method(cls: Any, id: str) -> Any:
        method = find_method(cls, id)
        if getattr(method, "_is_detached", False):
            raise missing(cls.object)
        return method

    def detached(cls: Any, id: str) -> Any:
        method = detach(cls, id)
        method._is_detached = True
        return method

    def set_up(cls: Any, customer: str | None = None, **data: Any) -> Any:
        if customer:
            resources.Customer._api_retrieve(customer)
        return cls(customer=customer, **data)

    resources.StripeObject._api_retrieve = classmethod(found)
    resources.SetupIntent._api_create = classmethod(set_up)
    Method._api_retrieve = classmethod(found_method)
    _answer_at("/v1/payment_methods/{id}/detach", classmethod(detached).__get__(None, Method))


def _teach_cancellations() -> None:
    cancel = Intent._api_cancel.__func__

    def cancelled(cls: Any, id: str, cancellation_reason: str | None = None, **more: Any) -> Any:
        intent = cancel(cls, id, **more)
        intent.cancellation_reason = cancellation_reason
        return intent

    Intent._api_cancel = classmethod(cancelled)
    _answer_at("/v1/payment_intents/{id}/cancel", Intent._api_cancel)


def _answer_at(path: str, function: Any) -> None:
    others = [route for route in resources.extra_apis if route[1] != path]
    resources.extra_apis[:] = [*others, ("POST", path, function)]


@web.middleware
async def keep_keys(request: web.Request, handler: Any) -> web.StreamResponse:
    """Refuses a key that comes again with other parameters. The first answer is not given again, as Stripe would."""
    key, asked = request.headers.get("Idempotency-Key"), (request.path, await request.read())
    if request.method == "POST" and key and KEYS.setdefault(key, asked) != asked:
        told = {"type": "idempotency_error", "message": "Keys can only be used with the same parameters."}
        return web.json_response({"error": told}, status=400)
    answer: web.StreamResponse = await handler(request)
    return answer


def main() -> None:
    resources.Store.dump_to_disk = lambda store: None
    if "stock" not in sys.argv[1:]:
        teach()
    from localstripe import server  # it binds its routes when it is imported, so after the lessons

    if "stock" not in sys.argv[1:]:
        server.app.middlewares.append(keep_keys)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    web.run_app(server.app, sock=listener, print=None, access_log=None)


if __name__ == "__main__":
    main()
