import { graphql, usePaginationFragment } from "react-relay";

import type { UsageHistory_query$key } from "./__generated__/UsageHistory_query.graphql";

/** The history list. Another filter is another list: Relay keeps a connection for each. */
export function UsageHistory({ query }: { query: UsageHistory_query$key }) {
  const { data, hasNext, isLoadingNext, loadNext } = usePaginationFragment(
    graphql`
      fragment UsageHistory_query on Query
      @argumentDefinitions(
        filter: { type: "UsageHistoryFilter" }
        first: { type: "Int", defaultValue: 50 }
        after: { type: "String" }
      )
      @refetchable(queryName: "UsageHistoryPageQuery") {
        usageHistory(filter: $filter, first: $first, after: $after)
          @connection(key: "UsageHistory_usageHistory", filters: ["filter"]) {
          edges {
            node {
              id
              occurredAt
              usageType
              walletSources
              member {
                name
              }
              phoneNumber {
                text
              }
              cost {
                amount
                currencyCode
              }
            }
          }
        }
      }
    `,
    query,
  );
  return (
    <>
      <table>
        <tbody>
          {data.usageHistory.edges.map(({ node }) => (
            <tr key={node.id}>
              <td>{new Date(node.occurredAt).toLocaleString()}</td>
              <td>{node.member?.name}</td>
              <td>{node.phoneNumber?.text}</td>
              <td>{node.usageType}</td>
              <td>{node.walletSources.join(", ")}</td>
              <td>{node.cost.amount}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {hasNext && (
        <button disabled={isLoadingNext} onClick={() => loadNext(50)}>
          More
        </button>
      )}
    </>
  );
}
