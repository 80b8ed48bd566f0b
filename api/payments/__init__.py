"""Card processors: the sandbox, Stripe, and what the outside world calls of them. See docs/payments.md."""
