// How Relay asks: queries and mutations by POST, subscriptions over a WebSocket that carries the token once.
import { createClient } from "graphql-ws";
import {
  Environment,
  type FetchFunction,
  type GraphQLResponse,
  Network,
  Observable,
  RecordSource,
  Store,
  type SubscribeFunction,
} from "relay-runtime";

export function createEnvironment(endpoint: string, token: string): Environment {
  const fetchQuery: FetchFunction = async ({ text: query }, variables) => {
    const response = await fetch(endpoint, {
      method: "POST",
      headers: {
        Accept: "application/graphql-response+json, application/json",
        Authorization: `Bearer ${token}`,
        "Content-Type": "application/json",
      },
      body: JSON.stringify({ query, variables }),
    });
    return (await response.json()) as GraphQLResponse;
  };

  const socket = createClient({
    url: endpoint.replace(/^http/, "ws"),
    connectionParams: { Authorization: `Bearer ${token}` },
  });
  const subscribe: SubscribeFunction = ({ text, name }, variables) =>
    Observable.create((sink) => {
      if (!text) throw new Error(`${name} has no text`);
      return socket.subscribe({ operationName: name, query: text, variables }, sink as never);
    });

  return new Environment({ network: Network.create(fetchQuery, subscribe), store: new Store(new RecordSource()) });
}
