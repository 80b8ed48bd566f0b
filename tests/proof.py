"""What every story ends with: the books are proven, over the whole database."""

from persistence.database import Database
from persistence.verify import verify


async def assert_books_hold(database: Database) -> None:
    broken = {finding.name: finding.examples async for finding in verify(database) if finding.broken_count}
    assert broken == {}
