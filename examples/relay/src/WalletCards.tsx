import { useMemo } from "react";
import { graphql, useRefetchableFragment, useSubscription } from "react-relay";

import type { WalletCards_office$key } from "./__generated__/WalletCards_office.graphql";
import type { WalletCardsSubscription } from "./__generated__/WalletCardsSubscription.graphql";
import { WalletCard } from "./WalletCard";

/** The credits of an office. A wallet that moves is known by its id, so its card changes by itself. */
export function WalletCards({ office }: { office: WalletCards_office$key }) {
  const [{ id, wallets }, refetch] = useRefetchableFragment(
    graphql`
      fragment WalletCards_office on Office @refetchable(queryName: "WalletCardsRefetchQuery") {
        id
        wallets {
          id
          ...WalletCard_wallet
        }
      }
    `,
    office,
  );
  useSubscription<WalletCardsSubscription>(
    useMemo(
      () => ({
        subscription: graphql`
          subscription WalletCardsSubscription($officeId: ID!) {
            walletChanged(officeId: $officeId) {
              ...WalletCard_wallet
            }
          }
        `,
        variables: { officeId: id },
      }),
      [id],
    ),
  );
  return (
    <>
      {wallets.map((wallet) => (
        <WalletCard key={wallet.id} wallet={wallet} />
      ))}
      <button onClick={() => refetch({}, { fetchPolicy: "network-only" })}>Refresh</button>
    </>
  );
}
