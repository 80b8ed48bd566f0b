"""Keys of the installation: `reseal`."""

from uuid import UUID

from api.clock import utc_now
from api.commands.console import fail, out, run, settings_or_fail
from persistence.begin import Begin
from persistence.companies import find_companies
from persistence.database import Database
from persistence.sealed_secrets import Resealed, reseal_secrets


def reseal() -> None:
    """Seal the stored secrets of webhooks with FAREBOX_SECRET_KEY, so that the previous key can go."""
    from api.sealing import FernetBox
    from schema.ids import IdKind, encode

    async def story(database: Database, _begin: Begin) -> dict[str, Resealed]:
        box, now = FernetBox(*settings_or_fail().signing_keys), utc_now()
        return {
            company.slug: await reseal_secrets(database, company.id, box.reseal, now)
            for company in await find_companies(database)
        }

    found = run(story, makes_database=False)
    changed = sum(of_company.changed_count for of_company in found.values())
    unchanged = sum(of_company.unchanged_count for of_company in found.values())
    out.print(f"Sealed anew: {changed:,}. Under the newest key already: {unchanged:,}.")
    unreadable: list[tuple[str, UUID]] = [(slug, id_) for slug, of in found.items() for id_ in of.unreadable]
    for slug, endpoint_id in unreadable:
        out.print(f"company {slug}: {encode(IdKind.WEBHOOK_ENDPOINT, endpoint_id)} cannot be opened", markup=False)
    if unreadable:
        fail(
            f"Endpoints whose secret is of another key: {len(unreadable):,}. Name it in FAREBOX_PREVIOUS_SECRET_KEY and"
            " run this again, or have their secrets rotated (`rotateWebhookSecret`)."
        )
