"""Documents by their id: from a manifest, or from what was sent before; and who may run others."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from api import documents
from api.cli import app
from api.documents import Documents, open_documents
from api.refusals import Refused
from api.requests import GraphQLRequest, read_members
from api.settings import SettingsError
from api.trusted_documents import read_manifest
from domain.access import Role, Viewer
from tests.api.edge import NOW, make_app, make_settings, make_token, schema
from tests.api.live import bearer, serving, welcomed

HELLO = "query Hello { hello }"
PAINT = "query Paint($colour: Colour!) {\n  paint(colour: $colour)\n}"
BOTH = "query A { hello } mutation B { change }"


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


FORMS: dict[str, Callable[[dict[str, str]], Any]] = {
    # graphql-codegen's client preset (persistedDocuments), and relay-compiler (persistConfig.file)
    "codegen": lambda texts: texts,
    "apollo": lambda texts: {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [{"id": id, "name": "Any", "type": "query", "body": body} for id, body in texts.items()],
    },
}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "documents.json"
    path.write_text(json.dumps({hash_of(HELLO): HELLO, "paint": PAINT, "both": BOTH}))
    return path


@pytest.fixture
def client(manifest: Path) -> Iterator[TestClient]:
    with client_of(Role.COMPANY_ADMIN, trusted_documents=manifest) as client:
        yield client


@contextmanager
def client_of(role: Role, **given: Any) -> Iterator[TestClient]:
    headers = {"Authorization": f"Bearer {make_token(role=role)}"}
    with TestClient(make_app(make_settings(**given)), headers=headers) as client:
        yield client


def error_of(told: Any) -> tuple[str, str]:
    [error] = told["errors"]
    return error["extensions"]["code"], error["message"]


def persisted(text: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": hash_of(text)}}


# ---------- the manifest ----------


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_read(tmp_path: Path, form: str) -> None:
    path = tmp_path / "documents.json"
    path.write_text(json.dumps(FORMS[form]({"one": HELLO, "two": PAINT})))

    assert read_manifest(path) == {"one": HELLO, "two": PAINT}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the file is not JSON in UTF-8"),
        ("[" * 100_000, "the file is not JSON in UTF-8"),
        ("[]", "the file is not a JSON object"),
        ("{}", "the file has no documents"),
        ('{"a": 5}', "the document 'a' is not a text"),
        ('{"a": ""}', "the document 'a' is not a text"),
        ('{"": "{ hello }"}', "a document has no id"),
        ('{"a": "{ hello }", "a": "{ broken }"}', "'a' is there twice"),
        ('{"a": "{ hello "}', "the document 'a': Syntax Error: Expected Name, found <EOF>"),
        ('{"a": "{ hello nothing }"}', "the document 'a': Cannot query field 'nothing' on type 'Query'"),
        ('{"a": "fragment F on Query { hello }"}', "the document 'a': Fragment 'F' is never used"),
        (
            json.dumps({"a": "query A { hello } query B {" + "hello " * 21 + "}"}),
            "the document 'a': The operation has 21",
        ),
        ('{"format": "apollo-persisted-query-manifest", "version": 2, "operations": []}', "of Apollo's manifests"),
        ('{"format": "apollo-persisted-query-manifest", "version": 1}', "of Apollo's manifests"),
        (json.dumps(FORMS["apollo"]({}) | {"operations": [5]}), "an operation is not an object"),
        (json.dumps(FORMS["apollo"]({}) | {"operations": [{"id": "a"}]}), "the document 'a' is not a text"),
        (
            json.dumps(FORMS["apollo"]({}) | {"operations": [{"id": "a", "body": "{a}"}, {"id": "a", "body": "{b}"}]}),
            "the id 'a' is given to two documents",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_manifest_stops_the_start_with_a_sentence(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "documents.json"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        make_app(make_settings(trusted_documents=path))

    assert str(caught.value).startswith(f"FAREBOX_TRUSTED_DOCUMENTS: {told}")
    assert "\n" not in str(caught.value)


def test_a_manifest_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^FAREBOX_TRUSTED_DOCUMENTS: the file cannot be read: No such file"):
        make_app(make_settings(trusted_documents=tmp_path / "nowhere.json"))
    with pytest.raises(SettingsError, match="FAREBOX_TRUSTED_DOCUMENTS_ONLY: this needs a manifest"):
        make_app(make_settings(trusted_documents_only=True))


def test_the_command_says_so_before_it_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "documents.json").write_text('{"a": "{ nothing }"}')
    monkeypatch.setenv("FAREBOX_TRUSTED_DOCUMENTS", "documents.json")
    ended = CliRunner().invoke(app, ["serve", "--port", "0"])

    assert ended.exit_code == 1
    assert "the document 'a': Cannot query field 'nothing' on type 'Query'." in ended.stderr


# ---------- asked for by id ----------


@pytest.mark.parametrize(
    "named",
    [
        {"documentId": hash_of(HELLO)},
        {"documentId": f"sha256:{hash_of(HELLO)}"},
        {"documentId": f"sha256:{hash_of(HELLO)}", "query": ""},
        {"extensions": persisted(HELLO)},
        {"documentId": "both", "operationName": "A"},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "both"}}, "operationName": "A"},
    ],
    ids=str,
)
def test_a_document_is_run_by_its_id(client: TestClient, named: dict[str, Any]) -> None:
    params = {name: value if isinstance(value, str) else json.dumps(value) for name, value in named.items()}

    assert client.post("/graphql", json=named).json() == client.get("/graphql", params=params).json()
    assert client.post("/graphql", json=named).json()["data"] == {"hello": "Hello, Front desk"}


def test_its_variables_and_limits_are_those_of_any_document(client: TestClient) -> None:
    def run(**given: Any) -> Any:
        return client.post("/graphql", json={"documentId": "paint", **given}).json()

    assert run(variables={"colour": "CRIMSON"})["data"] == {"paint": "crimson"}
    assert error_of(run())[0] == "BAD_USER_INPUT"
    assert error_of(run(variables={"colour": ["CRIMSON"] * 101}))[1].startswith("`variables.colour` has 101 entries")
    assert error_of(run(operationName="Other"))[0] == "BAD_REQUEST"
    assert client.get("/graphql", params={"documentId": "both", "operationName": "B"}).status_code == 405


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        ({"documentId": "nobody"}, "PERSISTED_QUERY_NOT_FOUND", "No document of this `documentId` is known here."),
        ({"extensions": persisted("{ hello }")}, "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"),
        ({"documentId": ""}, "BAD_REQUEST", "`documentId` must be a text"),
        ({"documentId": "x" * 256}, "BAD_REQUEST", "`documentId` must be a text"),
        ({"documentId": 5}, "BAD_REQUEST", "`documentId` must be a text"),
        ({"documentId": "both", "query": HELLO}, "BAD_REQUEST", "Send `documentId`, or `query`"),
        ({"documentId": "both", "extensions": persisted(HELLO)}, "BAD_REQUEST", "Send `documentId`, or `query`"),
        ({"extensions": {"persistedQuery": 5}}, "BAD_REQUEST", "`extensions.persistedQuery` must have"),
        ({"extensions": {"persistedQuery": {"version": 2, "sha256Hash": "a"}}}, "BAD_REQUEST", "`extensions.persisted"),
        ({"extensions": {"persistedQuery": {"version": 1}}}, "BAD_REQUEST", "`extensions.persistedQuery` must have"),
        ({"query": 5, "extensions": persisted(HELLO)}, "BAD_REQUEST", "`query` must be a text."),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_names_no_document_is_refused(client: TestClient, body: dict[str, Any], code: str, told: str) -> None:
    found, message = error_of(client.post("/graphql", json=body).json())

    assert found == code
    assert message.startswith(told)


# ---------- sent before ----------


def test_a_text_that_came_with_its_hash_is_remembered(client: TestClient) -> None:
    text = "{ hello hello }"
    assert error_of(client.post("/graphql", json={"extensions": persisted(text)}).json())[1] == "PersistedQueryNotFound"
    assert client.post("/graphql", json={"query": text, "extensions": persisted(text)}).json()["data"]
    for _ in range(2):
        assert client.post("/graphql", json={"extensions": persisted(text)}).json()["data"]["hello"]
    params = {"extensions": json.dumps(persisted(text))}
    assert client.get("/graphql", params=params).json()["data"]["hello"]


def test_a_text_with_another_hash_is_refused(client: TestClient) -> None:
    answer = client.post("/graphql", json={"query": "{ many { depth } }", "extensions": persisted(HELLO)})

    assert error_of(answer.json()) == ("BAD_REQUEST", "provided sha does not match query")
    assert client.post("/graphql", json={"extensions": persisted(HELLO)}).json()["data"]["hello"]


def test_a_text_that_is_not_valid_is_not_remembered(client: TestClient) -> None:
    for text in ["{", "{ nothing }", "{ " + "hello " * 21 + "}"]:
        assert client.post("/graphql", json={"query": text, "extensions": persisted(text)}).json()["errors"]
        answer = client.post("/graphql", json={"extensions": persisted(text)})
        assert error_of(answer.json())[1] == "PersistedQueryNotFound"


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_KEPT_CHARACTERS", 1_000)
    kept = open_documents(make_settings(), schema)
    texts = [f"{{ a{n}: hello }}" for n in range(100)]
    for text in texts:
        kept.find(asked(query=text, extensions=persisted(text)), viewer(Role.PARTNER))

    known = [text for text in texts if is_known(kept, text)]
    assert known == texts[-len(known) :]
    assert 0 < sum(map(len, known)) <= 200


def is_known(kept: Documents, text: str) -> bool:
    try:
        kept.find(asked(extensions=persisted(text)), viewer(Role.PARTNER))
    except Refused:
        return False
    return True


def asked(**members: Any) -> GraphQLRequest:
    return read_members(members, body_bytes=0)


def viewer(role: Role, *, is_key: bool = False) -> Viewer:
    return Viewer(
        subject="u",
        name="Somebody",
        role=role,
        company_id=UUID(int=1),
        office_ids=None,
        has_billing=False,
        scopes=frozenset(),
        expires_at=None if is_key else NOW,
    )


# ---------- trusted documents only ----------


@pytest.mark.parametrize("role", Role)
def test_people_run_only_what_is_in_the_manifest(manifest: Path, role: Role) -> None:
    kept = open_documents(make_settings(trusted_documents=manifest, trusted_documents_only=True), schema)
    other = "{ hello }"
    is_person = role in {Role.COMPANY_ADMIN, Role.OFFICE_ADMIN}
    kept.find(asked(query=other, extensions=persisted(other)), viewer(Role.PARTNER))  # known from now on

    kept.find(asked(documentId="paint"), viewer(role))
    kept.find(asked(query=PAINT), viewer(role))
    kept.find(asked(query=other), viewer(role, is_key=True))
    for request in [
        asked(query=other),
        asked(query=other, extensions=persisted(other)),
        asked(extensions=persisted(other)),
    ]:
        if not is_person:
            kept.find(request, viewer(role))
            continue
        with pytest.raises(Refused) as caught:
            kept.find(request, viewer(role))
        assert caught.value.status == 403
        assert caught.value.errors[0]["extensions"]["code"] == "FORBIDDEN"


def test_what_may_not_run_is_not_even_read(manifest: Path) -> None:
    kept = open_documents(make_settings(trusted_documents=manifest, trusted_documents_only=True), schema)

    with pytest.raises(Refused) as caught:
        kept.find(asked(query="{"), viewer(Role.OFFICE_ADMIN))
    assert caught.value.status == 403


def test_it_holds_on_sockets_too(manifest: Path) -> None:
    given = {"trusted_documents": manifest, "trusted_documents_only": True}
    with serving(settings=make_settings(**given)) as address:
        with welcomed(address) as peer:
            peer.say({"id": "1", "type": "subscribe", "payload": {"query": "{ hello }"}})
            assert peer.hear()["payload"][0]["extensions"]["code"] == "FORBIDDEN"
            assert peer.ask("", documentId=hash_of(HELLO))["data"]["hello"]
            assert peer.ask("", extensions=persisted(HELLO))["data"]["hello"]
        with welcomed(address, bearer(role=Role.PARTNER)) as peer:
            assert peer.ask("{ hello }")["data"]
