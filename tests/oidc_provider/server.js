// A real OpenID provider on this machine, for the tests of single sign-on.
//
//   node server.js PORT
//
// Clients register themselves. Anybody signs in by any name and password; what is said
// of them is what the test put at /test/accounts/NAME, or their name and address; and
// how they signed in, what it put there under "authentication".

import { createServer } from "node:http";
import Provider from "oidc-provider";

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const accounts = new Map();

const provider = new Provider(issuer, {
  claims: {
    openid: ["sub", "amr", "acr", "sid"],
    email: ["email", "email_verified"],
    profile: ["name"],
    groups: ["groups"],
  },
  cookies: { keys: ["of a test"] },
  features: {
    registration: { enabled: true },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
  // Who is told of a sign-out is on this machine, too, which it would not ask by itself.
  fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined }),
  acrValues: ["password", "phishing-resistant"],
  // Whether PKCE is there is the client's to see to, which is what is tested.
  pkce: { required: () => false },
  async findAccount(_context, sub) {
    const told = accounts.get(sub) ?? { name: sub, email: `${sub}@example.com` };
    const { authentication, ...claims } = told;
    return { accountId: sub, claims: () => ({ ...claims, sub }) };
  },
});
for (const event of ["server_error", "authorization.error", "grant.error", "backchannel.error"]) {
  provider.on(event, (_context, error) => console.error(error));
}
const finish = provider.interactionFinished.bind(provider);
provider.interactionFinished = (request, response, result, options) => {
  const { accountId } = result.login ?? {};
  Object.assign(result.login ?? {}, accounts.get(accountId)?.authentication);
  return finish(request, response, result, options);
};
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
