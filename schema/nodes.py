"""The interface of everything that has an id of its own."""

import strawberry


@strawberry.interface(description="An object with an id of its own, which `node(id:)` finds again.")
class Node:
    id: strawberry.ID = strawberry.field(
        description="Opaque, the same for ever, and different for every object of every type."
    )
