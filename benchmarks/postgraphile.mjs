// PostGraphile 5 as its manual has it: the amber preset, one service, no tokens. Told by words and variables as the
// other servers are: --port PORT, FAREBOX_DATABASE_URL.
import { createServer } from "node:http";
import { postgraphile } from "postgraphile";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";

const port = Number(process.argv[process.argv.indexOf("--port") + 1]);
const preset = {
  extends: [PostGraphileAmberPreset],
  pgServices: [
    makePgService({
      connectionString: process.env.FAREBOX_DATABASE_URL.replace("+asyncpg", ""),
      schemas: ["bench"],
      poolConfig: { max: 16 },
    }),
  ],
  grafast: { explain: false },
  grafserv: { graphqlPath: "/graphql", graphiql: false, websockets: false, watch: false },
};
const peer = postgraphile(preset).createServ(grafserv);
const server = createServer();
await peer.addTo(server);
const [answer] = server.listeners("request");
server.removeAllListeners("request");
server.on("request", (request, response) => {
  if (request.url === "/readyz") response.end("ready");
  else answer(request, response);
});
server.listen(port, "127.0.0.1");
