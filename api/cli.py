"""`farebox …`: the commands of the operator, put together."""

from api.memory import look_seldom

look_seldom()  # the hundreds of modules that come now are most of a start

import typer  # noqa: E402

from api.commands import books, export, imports, keys, serving, statements  # noqa: E402

app = typer.Typer(
    name="farebox",
    help="Prepaid credits and usage for communications companies: a self-hosted GraphQL backend.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(serving.serve)
app.command()(serving.demo)
app.command()(serving.token)
app.command()(imports.apply)
app.command("import-rates")(imports.import_rates)
app.command("import-usage")(imports.import_usage_file)
app.command()(imports.replay)
app.command()(export.export)
app.command()(books.renew)
app.command()(books.settle)
app.command("settle-invoice")(books.settle_invoice)
app.command()(books.verify)
app.command()(books.migrate)
app.command("row-security")(statements.row_security)
app.command()(statements.citus)
app.command()(keys.reseal)
app.command()(serving.schema)
