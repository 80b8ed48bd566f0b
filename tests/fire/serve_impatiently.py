"""`farebox serve` that waits for less time than usual, so that a test need not.

FIRE_BUSY_MILLISECONDS: for a file that another process has locked. FIRE_STRIPE_SECONDS: for an answer of Stripe's.
"""

import os
import sys

from api.cli import app
from api.payments import stripe
from persistence import database


def main() -> None:
    database.BUSY_MILLISECONDS = int(os.environ.get("FIRE_BUSY_MILLISECONDS", database.BUSY_MILLISECONDS))
    if "FIRE_STRIPE_SECONDS" in os.environ:
        seconds = float(os.environ["FIRE_STRIPE_SECONDS"])
        stripe.StripeProcessor.__init__.__kwdefaults__["answer_seconds"] = seconds
    sys.argv[1:1] = ["serve"]
    app()


if __name__ == "__main__":
    main()
