// One request to the endpoint, typed by the generated document.
import type { TypedDocumentString } from "./generated/graphql.js";

export const endpoint = process.env.FAREBOX_URL ?? "http://localhost:8000/graphql";
export const token = process.env.FAREBOX_TOKEN ?? "";

interface GraphQLFault {
  message: string;
  extensions?: { code?: string };
}

interface Answer<Result> {
  data?: Result | null;
  errors?: GraphQLFault[];
}

/** The request itself failed. What a person can mend is no such failure: it is in a payload's `userErrors`. */
export class RequestFailed extends Error {
  readonly code: string | undefined;

  constructor(fault: GraphQLFault) {
    super(fault.message);
    this.code = fault.extensions?.code;
  }
}

export async function execute<Result, Variables>(
  document: TypedDocumentString<Result, Variables>,
  variables: Variables,
): Promise<Result> {
  const response = await fetch(endpoint, {
    method: "POST",
    headers: {
      Accept: "application/graphql-response+json, application/json",
      Authorization: `Bearer ${token}`,
      "Content-Type": "application/json",
    },
    body: JSON.stringify({ query: document.toString(), variables }),
  });
  const { data, errors } = (await response.json()) as Answer<Result>;
  if (errors?.[0]) throw new RequestFailed(errors[0]);
  if (!data) throw new Error(`An answer without data: HTTP ${response.status}`);
  return data;
}
