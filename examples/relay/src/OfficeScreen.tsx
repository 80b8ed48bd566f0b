import { Suspense } from "react";
import { graphql, RelayEnvironmentProvider, useLazyLoadQuery } from "react-relay";

import type { OfficeScreenQuery } from "./__generated__/OfficeScreenQuery.graphql";
import { AutoRechargeSwitch } from "./AutoRechargeSwitch";
import { createEnvironment } from "./environment";
import { UsageHistory } from "./UsageHistory";
import { WalletCards } from "./WalletCards";

function OfficeScreen({ officeId }: { officeId: string }) {
  const query = useLazyLoadQuery<OfficeScreenQuery>(
    graphql`
      query OfficeScreenQuery($officeId: ID!, $filter: UsageHistoryFilter) {
        office(id: $officeId) {
          name
          ...WalletCards_office
          ...AutoRechargeSwitch_office
        }
        ...UsageHistory_query @arguments(filter: $filter)
      }
    `,
    { officeId, filter: { officeIds: [officeId] } },
  );
  if (!query.office) return <p>There is no such office, or it is not yours.</p>;
  return (
    <main>
      <h1>{query.office.name}</h1>
      <WalletCards office={query.office} />
      <AutoRechargeSwitch office={query.office} />
      <UsageHistory query={query} />
    </main>
  );
}

export function App({ endpoint, token, officeId }: { endpoint: string; token: string; officeId: string }) {
  return (
    <RelayEnvironmentProvider environment={createEnvironment(endpoint, token)}>
      <Suspense fallback="…">
        <OfficeScreen officeId={officeId} />
      </Suspense>
    </RelayEnvironmentProvider>
  );
}
