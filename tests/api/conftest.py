"""What the tests of the edge share: a place for a file to be read, and a look-alike of Stripe."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.stripe_words import Cardholder, localstripe


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "given.csv"


@pytest.fixture(scope="session")
def stripe_address() -> Iterator[str]:
    with localstripe() as address:
        yield address


@pytest.fixture
def cardholder(stripe_address: str) -> Cardholder:
    return Cardholder(stripe_address)
