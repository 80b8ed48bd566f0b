"""How much one caller may ask for at once: every number has a `FAREBOX_*` setting of its name.

The defaults carry every screen of the product page with lists of a hundred, GraphiQL, and a batch of a thousand
events. Docs: docs/security.md.
"""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

Some = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class Limits(BaseSettings):
    # ---------- what is sent ----------
    max_body_bytes: Some = 100_000
    max_batch_body_bytes: Some = 1_000_000
    """Of the operations that carry a batch, as for the next two."""
    max_message_bytes: Some = 64_000
    """Of a WebSocket."""
    max_document_characters: Some = 20_000
    max_document_tokens: Some = 2_000
    max_batch_document_tokens: Some = 10_000
    max_list_items: Some = 100
    """Of any list in the variables or written in the document."""
    max_batch_items: Some = 1_000
    max_directory_items: Some = 10_000
    """Of `syncDirectory`: a directory is replaced as a whole."""

    # ---------- what an operation selects, with the fragments it reaches ----------
    max_depth: Some = 10
    max_introspection_depth: Some = 20
    """GraphiQL asks 15 deep."""
    max_aliases: Some = 30
    max_root_fields: Some = 20
    max_directives: Some = 20
    max_fields: Some = 2_000
    """Each counted as often as its fragment is spread."""
    max_cost: Some = 1_000
    """In points: an object is one, times the size of the lists it is in."""
    max_errors: Some = 5
    """Those beyond are not answered."""

    # ---------- how fast ----------
    throttle_points: Some = 10_000
    """What a caller may spend at once."""
    throttle_restore: Some = 1_000
    """Points that come back in a second."""
    document_points: Some = 200
    """The same for documents that are not known yet: one is 1, and 1 for each 1,000 characters; one that is refused is
    five times that. Those that are known cost none."""
    document_restore: Some = 20
    reads_at_once: Some = 4
    """Queries that are being answered; others wait. More would be answered no faster by one process, and would keep
    longer from it what pays."""
    max_wait_seconds: Seconds = 1.0
    """A query that would wait longer for its turn is refused."""
    operation_seconds: Seconds = 30.0
    statement_seconds: Seconds = 20.0
    """Of one statement of a query in the database."""
    request_seconds: Seconds = 20.0
    """For a request to arrive, headers and body."""

    # ---------- how many ----------
    max_connections: Some = 10_000
    """Of this process."""
    max_sockets: Some = 100
    """WebSockets and event streams of one caller."""
    max_subscriptions: Some = 500
    """That run on the WebSockets of one caller."""
