// The overview in a terminal: every wallet one may see, then the usage history, page after page.
import { execute } from "./client.js";
import {
  type HistoryRowFragment,
  UsageHistoryDocument,
  type UsageHistoryFilter,
  type UsageHistoryQuery,
  WalletsDocument,
} from "./generated/graphql.js";

async function* history(filter: UsageHistoryFilter, first = 50): AsyncGenerator<HistoryRowFragment> {
  let after: string | null = null;
  do {
    const { usageHistory }: UsageHistoryQuery = await execute(UsageHistoryDocument, { filter, first, after });
    for (const { node } of usageHistory.edges) yield node;
    after = usageHistory.pageInfo.hasNextPage ? usageHistory.pageInfo.endCursor : null;
  } while (after);
}

const { wallets } = await execute(WalletsDocument, {});
for (const { office, name, available } of wallets ?? []) {
  console.log(`${office.name}: ${name}, ${available.amount} ${available.currencyCode} left`);
}

const most = Number(process.argv[2] ?? 100);
let count = 0;
for await (const { occurredAt, usageType, cost, walletSources } of history({ services: ["CALLING"] })) {
  if (++count > most) break;
  console.log(`${occurredAt} ${usageType} ${cost.amount} ${walletSources.join("+")}`);
}
