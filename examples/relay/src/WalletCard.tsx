import { graphql, useFragment } from "react-relay";

import type { WalletCard_wallet$key } from "./__generated__/WalletCard_wallet.graphql";

export function WalletCard({ wallet }: { wallet: WalletCard_wallet$key }) {
  const { name, balance, available, usedPercent, expiresAt } = useFragment(
    graphql`
      fragment WalletCard_wallet on Wallet {
        name
        balance {
          amount
          currencyCode
        }
        available {
          amount
        }
        usedPercent
        expiresAt
      }
    `,
    wallet,
  );
  return (
    <section>
      <h3>{name}</h3>
      <p>
        {balance.amount} {balance.currencyCode}, {available.amount} of it free
      </p>
      {usedPercent && <p>{usedPercent} % used</p>}
      {expiresAt ? <p>until {new Date(expiresAt).toLocaleDateString()}</p> : <p>never expires</p>}
    </section>
  );
}
