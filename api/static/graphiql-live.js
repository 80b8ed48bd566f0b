// Subscriptions for GraphiQL: server-sent events read with fetch, because an EventSource cannot send a token.
"use strict";

const fareboxLive = (() => {
  // The answers of the events in a text, and what is left of it: the beginning of the next event.
  function read(text) {
    const parts = text.split("\n\n");
    const rest = parts.pop();
    const events = parts.map((part) => {
      const fields = part.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]);
      return Object.fromEntries(fields.map(([name, value]) => [name, value.trim()]));
    });
    return [events, rest];
  }

  async function* answers(url, params, headers, signal) {
    const response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "text/event-stream", ...headers },
      body: JSON.stringify(params),
      signal,
    });
    if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
      yield await response.json(); // it was refused
      return;
    }
    let [events, rest] = [[], ""];
    for (const reader = response.body.pipeThrough(new TextDecoderStream()).getReader(); ; ) {
      const { value, done } = await reader.read();
      if (done) throw new Error("The server has closed the stream. Run the subscription again.");
      [events, rest] = read(rest + value);
      for (const { event, data } of events) {
        if (event === "complete") return;
        if (event === "next") yield JSON.parse(data);
      }
    }
  }

  // What GraphiQL takes for an observable. Its stop button calls `unsubscribe`.
  function subscribe(url, params, headers) {
    return {
      subscribe({ next, error, complete }) {
        const stopping = new AbortController();
        (async () => {
          try {
            for await (const answer of answers(url, params, headers, stopping.signal)) next(answer);
            complete();
          } catch (reason) {
            if (!stopping.signal.aborted) error(reason);
          }
        })();
        return { unsubscribe: () => stopping.abort() };
      },
    };
  }

  const TOKENS = /"""(?:\\"""|[^])*?"""|"(?:\\.|[^"\\])*"|#.*|[{}()]|[@$]?[A-Za-z_]\w*/g;

  // The operations of a text, valid or not: their kinds and names.
  function operations(text) {
    const found = [];
    let [depth, isNamed, isInside] = [0, true, false];
    for (const token of text.match(TOKENS) ?? []) {
      if (/^["#@$]/.test(token)) continue;
      const isWord = /^\w/.test(token);
      if (!isInside) found.push({ kind: isWord ? token : "query", name: undefined });
      else if (isWord && !isNamed && depth === 0) found.at(-1).name = token;
      isNamed = !isWord || isInside;
      isInside = true;
      if ("{(".includes(token)) depth += 1;
      if ("})".includes(token)) depth -= 1;
      if (token === "}" && depth === 0) isInside = false;
    }
    return found.filter(({ kind }) => kind !== "fragment");
  }

  // The operation to run. For a moment after another tab was chosen, GraphiQL still names the operation of the one before.
  function chosen({ query, operationName }) {
    const found = operations(query);
    return found.find(({ name }) => name === (operationName ?? undefined)) ?? (found.length === 1 ? found[0] : null);
  }

  return { subscribe, chosen };
})();
