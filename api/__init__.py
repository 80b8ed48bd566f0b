"""Listens. HTTP, tokens, settings, the clock, and later everything else that is outside, in both directions.

The only room that knows the environment, the time of day and the network. It decides nothing about money:
it finds out who is calling, hands the request to `schema`, and sees to it that no answer says too much.
"""
