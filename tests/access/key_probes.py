"""Every way of naming an API key, or an office that one is made for."""

from schema.ids import IdKind
from tests.access.policy import Of, Probe

API_KEYS = frozenset({"MANAGE_API_KEYS"})

KEYS = (
    Probe(
        "Mutation.revokeApiKey.input.id",
        "mutation ($id: ?) { revokeApiKey(input: { id: $id }) { apiKey { id } userErrors { code message field } } }",
        IdKind.API_KEY,
        lambda found, value: found["apiKey"] == {"id": value},
        API_KEYS,
        of=Of.COMPANY,
    ),
    Probe(
        "Mutation.createApiKey.input.officeIds",
        "mutation ($id: ?, $key: String!) {"
        " createApiKey(input: { name: $key, scopes: [USAGE_READ], officeIds: [$id] }) {"
        " apiKey { id } userErrors { code message field } } }",
        IdKind.OFFICE,
        lambda found, _: found["apiKey"] is not None,
        API_KEYS,
    ),
)
