"""Documents are parsed and validated once, and what is remembered of them is bounded."""

import pytest

from api import documents
from api.documents import Documents
from tests.api.edge import schema


@pytest.fixture
def kept() -> Documents:
    return Documents(schema, has_introspection=True)


def test_the_same_text_is_read_once(kept: Documents) -> None:
    assert kept.find("{ hello }") is kept.find("{ hello }")
    assert kept.find("{ hello }") is not kept.find("{  hello }")


def test_the_longest_unused_documents_are_forgotten_first(kept: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_KEPT_CHARACTERS", 40)
    old, used, new = "{ a: hello }", "{ b: hello }", "{ c: hello } #" + "." * 10
    first, second = kept.find(old), kept.find(used)
    kept.find(used)
    kept.find(new)

    assert kept.find(used) is second
    assert kept.find(old) is not first


def test_a_batch_written_out_is_not_remembered(kept: Documents) -> None:
    text = 'mutation { recordUsage(events: ["' + "x" * 30_000 + '"]) }'

    assert kept.find(text) is not kept.find(text)


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
def test_a_batch_is_known_by_its_root_fields(kept: Documents, text: str, is_batch: bool) -> None:
    document = kept.find(text)

    assert document.is_batch(document.select(None)) is is_batch
