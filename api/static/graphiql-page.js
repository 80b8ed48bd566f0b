// Starts GraphiQL with the example operations in tabs. Headers, which hold the token, are kept in memory only:
// nothing that is written to the browser's storage here contains them.
"use strict";

(() => {
  const config = JSON.parse(document.getElementById("config").textContent);
  const TABS_KEY = "farebox:graphiql-tabs";
  const KEPT_SETTINGS = /^graphiql:(theme|visiblePlugin|\w*Flex)$/;
  const headers = JSON.stringify({ Authorization: `Bearer ${config.token || "<token>"}` }, null, 2);

  // GraphiQL writes whatever it likes to the storage it is given; only looks are passed on to the browser's.
  const memory = new Map();
  const storage = {
    get length() {
      return memory.size;
    },
    getItem: (key) => (KEPT_SETTINGS.test(key) ? localStorage.getItem(key) : (memory.get(key) ?? null)),
    setItem: (key, value) =>
      KEPT_SETTINGS.test(key) ? localStorage.setItem(key, value) : memory.set(key, String(value)),
    removeItem: (key) => (KEPT_SETTINGS.test(key) ? localStorage.removeItem(key) : memory.delete(key)),
    clear: () => {
      memory.clear();
      localStorage.clear();
      sessionStorage.clear();
    },
  };

  const send = GraphiQL.createFetcher({ url: config.endpoint });

  function hasToken(given) {
    const name = Object.keys(given ?? {}).find((key) => key.toLowerCase() === "authorization");
    return name !== undefined && !String(given[name]).includes("<token>");
  }

  // The schema is asked for before the editors stand, and so without the headers that will be in them.
  function fetcher(params, options) {
    const given = options?.headers ?? (config.token ? JSON.parse(headers) : {});
    if (hasToken(given)) {
      const operation = fareboxLive.chosen(params);
      const asked = operation ? { ...params, operationName: operation.name } : params;
      return operation?.kind === "subscription"
        ? fareboxLive.subscribe(config.endpoint, asked, given)
        : send(asked, { ...options, headers: given });
    }
    const message =
      "Put a token into the Headers editor below (`farebox token` prints one), then re-fetch the schema.";
    return { errors: [{ message }] };
  }

  // Without a demo token nothing is known of the company, and the examples keep their placeholders.
  async function findPlaceholders() {
    const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const found = { "<now>": now, "<event>": `graphiql-${now}` };
    if (!config.token) return found;
    try {
      const response = await fetch(config.endpoint, {
        method: "POST",
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${config.token}` },
        body: JSON.stringify({ query: config.placeholders }),
      });
      const { data } = await response.json();
      const offices = data?.offices?.nodes ?? [];
      const office = offices[0];
      const payer = offices.find(({ paymentTerms }) => paymentTerms === "CARD");
      if (office) found["<office>"] = office.id;
      if (payer) found["<payer>"] = payer.id;
      if (office?.billingCycle) found["<month>"] = office.billingCycle.month;
      const record = data?.usageHistory?.nodes?.[0];
      if (record) found["<usage>"] = record.id;
    } catch {
      // The examples are still good to read, and to fill in by hand.
    }
    return found;
  }

  function savedTabs() {
    try {
      return JSON.parse(sessionStorage.getItem(TABS_KEY));
    } catch {
      return null;
    }
  }

  function saveTabs({ tabs }) {
    const kept = tabs.map(({ query, variables }) => ({ query, variables }));
    sessionStorage.setItem(TABS_KEY, JSON.stringify(kept));
  }

  async function exampleTabs() {
    const found = await findPlaceholders();
    return config.examples.map(({ query, variables }) => ({
      query,
      variables: variables.replace(/<\w+>/g, (placeholder) => found[placeholder] ?? placeholder),
    }));
  }

  async function start() {
    const tabs = savedTabs() ?? (await exampleTabs());
    const page = React.createElement(
      GraphiQL,
      {
        fetcher,
        storage,
        defaultHeaders: headers,
        defaultTabs: tabs.map((tab) => ({ ...tab, headers })),
        defaultEditorToolsVisibility: "variables",
        shouldPersistHeaders: false,
        showPersistHeadersSettings: false,
        onTabChange: saveTabs,
      },
      React.createElement(
        GraphiQL.Logo,
        null,
        React.createElement("span", { className: "farebox-logo" }, "Farebox"),
      ),
    );
    ReactDOM.createRoot(document.getElementById("graphiql")).render(page);
  }

  start();
})();
