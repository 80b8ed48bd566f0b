// The overview, live: prints the wallets of an office as they are, and then each of them whenever it moves.
import { createClient } from "graphql-ws";
import WebSocket from "ws";

import { endpoint, token } from "./client.js";
import { WalletMovesDocument, type WalletMovesSubscription } from "./generated/graphql.js";

const officeId = process.argv[2];
if (!officeId) throw new Error("Which office? npm run watch -- off_…");

const client = createClient({
  url: endpoint.replace(/^http/, "ws"),
  connectionParams: { Authorization: `Bearer ${token}` },
  webSocketImpl: WebSocket, // a browser has its own
});

const query = WalletMovesDocument.toString();
for await (const { data, errors } of client.iterate<WalletMovesSubscription>({ query, variables: { officeId } })) {
  if (errors) throw new Error(errors[0]?.message);
  const wallet = data?.walletChanged;
  if (wallet) console.log(`${wallet.name}: ${wallet.balance.amount} ${wallet.balance.currencyCode}`);
}
