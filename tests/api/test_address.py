"""Where a call comes from, as the audit trail keeps it: never what a caller says of himself (R40)."""

from dataclasses import replace

import httpx2
import pytest

from api.commands.serving import proxy_options
from tests.api.edge import make_app, make_settings, make_token, serve, without_cost

HEADER = "X-Forwarded-For"

# trusted proxies | what the caller sends || what is kept
ADDRESSES = """
                     |                                  || 127.0.0.1
                     | 203.0.113.9                      || 127.0.0.1
10.0.0.1             | 203.0.113.9                      || 127.0.0.1
127.0.0.1            |                                  || 127.0.0.1
127.0.0.1            | 203.0.113.9                      || 203.0.113.9
127.0.0.1            | 203.0.113.9:4711                 || 203.0.113.9
127.0.0.1            | [2001:db8::7]:4711               || 2001:db8::7
127.0.0.1            | 2001:DB8:0::0007                 || 2001:db8::7
127.0.0.1            | ::ffff:203.0.113.9               || 203.0.113.9
127.0.0.1            | 198.51.100.1, 203.0.113.9        || 203.0.113.9
127.0.0.1,10.0.0.0/8 | 6.6.6.6, 203.0.113.9, 10.1.2.3   || 203.0.113.9
127.0.0.1,10.9.9.9/8 | 6.6.6.6, 203.0.113.9, 10.1.2.3   || 203.0.113.9
127.0.0.1            | 203.0.113.9, <script>            || nowhere
127.0.0.1            | unknown                          || nowhere
"""


@pytest.mark.parametrize("row", ADDRESSES.strip("\n").splitlines())
def test_the_address_is_the_nearest_that_no_trusted_proxy_has(row: str) -> None:
    given_text, kept = row.split("||")
    proxies, said = (cell.strip() for cell in given_text.split("|"))
    settings = make_settings(trusted_proxies=proxies) if proxies else make_settings()
    app = make_app(settings, context_for=lambda viewer: replace(viewer, name=viewer.address or "nowhere"))
    headers = {"Authorization": f"Bearer {make_token()}", **({HEADER: said} if said else {})}
    with serve(app, **proxy_options(settings)) as address:
        answer = httpx2.post(f"{address}/graphql", json={"query": "{ hello }"}, headers=headers)
    assert without_cost(answer.json()) == {"data": {"hello": f"Hello, {kept.strip()}"}}
