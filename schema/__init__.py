"""Speaks. GraphQL types, resolvers, loaders; errors as they look on the wire.

A query's resolver calls one read of `persistence` with the caller's scope and shows what comes back; a mutation's calls
one story. Each file describes its part of the contract well enough to write a query from the descriptions alone.
"""
