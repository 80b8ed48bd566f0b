"""Documents are parsed and validated once, and what is remembered of them is bounded."""

from dataclasses import replace

import pytest
from graphql import parse

from api import documents
from api.document import Document
from api.documents import Documents, open_documents
from api.refusals import Refused
from api.requests import GraphQLRequest
from domain.access import Role
from tests.api.edge import make_settings, schema
from tests.api.test_trusted_documents import viewer


@pytest.fixture
def kept() -> Documents:
    return open_documents(make_settings(), schema)


def found(kept: Documents, text: str) -> Document:
    document, _ = kept.find(GraphQLRequest(text, None, {}, 0), viewer(Role.COMPANY_ADMIN))
    return document


def test_the_same_text_is_read_once(kept: Documents) -> None:
    assert found(kept, "{ hello }") is found(kept, "{ hello }")
    assert found(kept, "{ hello }") is not found(kept, "{  hello }")


def test_the_longest_unused_documents_are_forgotten_first(kept: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_KEPT_CHARACTERS", 300)
    old, used, new = "{ a: hello }", "{ b: hello }", "{ c: hello } #" + "." * 10
    first, second = found(kept, old), found(kept, used)
    found(kept, used)
    found(kept, new)

    assert found(kept, used) is second
    assert found(kept, old) is not first


def test_short_tokens_weigh_as_long_ones_do(kept: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_KEPT_CHARACTERS", 900)
    first = found(kept, "{ " + "hello " * 20 + "}")
    found(kept, "{a:hello " + "hello " * 19 + "}")

    assert found(kept, "{ " + "hello " * 20 + "}") is not first


def test_documents_that_are_not_known_are_paid_for() -> None:
    kept = open_documents(make_settings(document_points=20, document_restore=1), schema)
    found(kept, "{ hello }")
    for number in range(3):
        with pytest.raises(Refused, match="400"):
            found(kept, f"{{ nothing{number} }}")
    with pytest.raises(Refused, match="400"):
        found(kept, "{")

    with pytest.raises(Refused) as caught:
        found(kept, "{ a: hello }")
    error = caught.value.errors[0]
    assert (caught.value.status, error["extensions"]["code"]) == (429, "THROTTLED")
    assert "Too many new documents" in error["message"]
    assert (caught.value.headers or {}).get("Retry-After") in {"1", "2"}
    assert found(kept, "{ hello }")  # known
    kept.find(GraphQLRequest("{ b: hello }", None, {}, 0), replace(viewer(Role.COMPANY_ADMIN), subject="another"))


def test_a_batch_written_out_is_not_remembered(kept: Documents) -> None:
    text = 'mutation { recordUsage(events: ["' + "x" * 30_000 + '"]) }'

    assert found(kept, text) is not found(kept, text)


@pytest.mark.parametrize(
    ("text", "is_batch"),
    [
        ("mutation { recordUsage(events: []) }", True),
        ("mutation { a: recordUsage(events: []) ... { b: recordUsage(events: []) } }", True),
        ("mutation { ...A } fragment A on Mutation { recordUsage(events: []) }", True),
        ("mutation { recordUsage: change }", False),
        ("mutation { recordUsage(events: []) ... on Mutation { change } }", False),
        ("mutation { recordUsage(events: []) ...A } fragment A on Mutation { change }", False),
        ("query recordUsage { hello }", False),
    ],
)
def test_a_batch_is_known_by_its_root_fields(text: str, is_batch: bool) -> None:
    document = Document.of(parse(text))

    assert document.is_batch(document.select(None)) is is_batch


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("{ hello }", 100),
        ("mutation { change }", 100),
        ("mutation { recordUsage(events: []) }", 1_000),
        ("mutation { recordUsage(events: []) change }", 100),
        ("mutation { syncDirectory }", 10_000),
        ("mutation { ...A } fragment A on Mutation { syncDirectory }", 10_000),
        ("query { recordUsage }", 100),
    ],
)
def test_how_long_lists_may_be_depends_on_the_operation(text: str, most: int) -> None:
    document = Document.of(parse(text))

    assert document.longest_list(document.select(None), make_settings()) == most
