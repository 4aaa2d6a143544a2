// A real OpenID provider on this machine, for the tests of single sign-on.
//
//   node server.js PORT
//
// Clients register themselves. Anybody signs in by any name and password; what is said
// of them is what the test put at /test/accounts/NAME, or their name and address.

import { createServer } from "node:http";
import Provider from "oidc-provider";

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const accounts = new Map();

const provider = new Provider(issuer, {
  claims: {
    openid: ["sub"],
    email: ["email", "email_verified"],
    profile: ["name"],
    groups: ["groups"],
  },
  cookies: { keys: ["of a test"] },
  features: { registration: { enabled: true } },
  // Whether PKCE is there is the client's to see to, which is what is tested.
  pkce: { required: () => false },
  async findAccount(_context, sub) {
    const told = accounts.get(sub) ?? { name: sub, email: `${sub}@example.com` };
    return { accountId: sub, claims: () => ({ ...told, sub }) };
  },
});
for (const event of ["server_error", "authorization.error", "grant.error"]) {
  provider.on(event, (_context, error) => console.error(error));
}
const answer = provider.callback();

createServer((request, response) => {
  const [, test, kind, name] = request.url.split("/");
  if (test !== "test" || kind !== "accounts") {
    answer(request, response);
    return;
  }
  let body = "";
  request.on("data", (part) => { body += part; });
  request.on("end", () => {
    accounts.set(decodeURIComponent(name), JSON.parse(body));
    response.writeHead(204).end();
  });
}).listen(port, "127.0.0.1", () => console.log("listening"));
