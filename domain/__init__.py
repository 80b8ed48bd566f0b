"""Decides. Pure rules and the stories told with them, in business words.

Knows no database, GraphQL, HTTP, clock, randomness or environment: time and ids are handed in. Every rule cites
its number in docs/rules.md (`R12`).
"""
