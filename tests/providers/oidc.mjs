// An OpenID provider for tests: the library's own protocol, our accounts, pages and bad days.
//
// Runs as `node --input-type=module --eval THIS -- SETTINGS` in the folder with the packages; see
// `tests/src/provider.rs` for the settings and for who listens. Prints its port, then one line for
// every line of its input, which is a list of endpoints that are to fail from now on. Ends with its input.
import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Provider, interactionPolicy } from "oidc-provider";

// What the library has to say is no answer to the test.
console.info = console.warn;

const settings = JSON.parse(process.argv.at(-1));
let failing = [];

const server = createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address();
const issuer = settings.issuer ?? `http://127.0.0.1:${port}`;

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const policy = interactionPolicy.base();
// Initiating User Registration via OpenID Connect 1.0: the person asks for a new account.
policy.add(new interactionPolicy.Prompt({ name: "create", requestable: true }), 0);

const provider = new Provider(issuer, {
  clients: settings.clients,
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256" }] },
  cookies: { keys: [randomBytes(16).toString("hex")] },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  scopes: ["openid", "email", "profile", "offline_access", ...settings.other_scopes],
  // Claims of the scopes stand in the ID token, as they do with the large providers.
  conformIdTokenClaims: false,
  responseTypes: ["code", "id_token", "code id_token", "none"],
  pkce: { required: () => false },
  ttl: {
    IdToken: settings.id_token_seconds, AccessToken: 3600, AuthorizationCode: 60, RefreshToken: 3600,
    Session: 3600, Grant: 3600, Interaction: 600,
  },
  routes: settings.authorization_path ? { authorization: settings.authorization_path } : {},
  features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: false } },
  interactions: { policy, url: (_context, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_context, id) => {
    const account = settings.accounts.find((it) => subject(it) === id);
    return account && { accountId: id, claims: () => claims(account) };
  },
  renderError: (context, out) => {
    context.type = "html";
    context.body = page("Something went wrong", `<p>${text(out.error)}: ${text(out.error_description)}</p>`);
  },
});
provider.proxy = true;

const callback = provider.callback();
server.on("request", (request, response) => {
  const { pathname } = new URL(request.url, issuer);
  if (failing.some((it) => pathname.endsWith(it))) {
    response.writeHead(503, { "content-type": "text/plain" }).end("failing, as the test asked");
    return;
  }
  if (!pathname.startsWith("/interaction/")) {
    callback(request, response);
    return;
  }
  interact(request, response).catch((error) => {
    response.writeHead(400, { "content-type": "text/html" }).end(page("Too late", `<p>${text(error.message)}</p>`));
  });
});

// Shows what the provider waits for, and takes what the person answers.
async function interact(request, response) {
  const details = await provider.interactionDetails(request, response);
  const form = request.method === "POST" ? new URLSearchParams(await read(request)) : null;
  const finish = (result) => provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
  if (form?.has("cancel")) {
    return finish({ error: "access_denied", error_description: "the person did not want to" });
  }
  if (details.prompt.name === "consent") {
    return form || !settings.asks_consent ? finish(await consent(details)) : show(response, "Allow access?", CONSENT);
  }
  const isNew = details.prompt.name === "create";
  const account = settings.accounts.find((it) => it.email === form?.get("email"));
  if (account && account.password === form.get("password")) {
    return finish({ login: { accountId: subject(account) }, ...(isNew && { create: {} }) });
  }
  const problem = form ? `<p role="alert">Wrong e-mail or password.</p>` : "";
  show(response, isNew ? "Create your account" : "Sign in", problem + credentials(isNew ? "Sign up" : "Sign in"));
}

// Grants everything that was asked for.
async function consent({ params, session, grantId, prompt }) {
  const known = grantId && (await provider.Grant.find(grantId));
  const grant = known || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope((prompt.details.missingOIDCScope ?? []).join(" "));
  grant.addOIDCClaims(prompt.details.missingOIDCClaims ?? []);
  return { consent: { grantId: await grant.save() } };
}

const CONSENT = `<form method="post"><button name="allow" value="1">Allow</button>
  <button name="cancel" value="1">Cancel</button></form>`;

function credentials(button) {
  return `<form method="post">
    <label>E-mail <input type="email" name="email" autocomplete="username"></label>
    <label>Password <input type="password" name="password" autocomplete="current-password"></label>
    <button type="submit">${button}</button></form>
    <form method="post"><button name="cancel" value="1">Cancel</button></form>`;
}

function show(response, title, body) {
  response.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" }).end(page(title, body));
}

function page(title, body) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>${body}`;
}

function text(it) {
  return String(it ?? "").replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

// Providers name people by an id that says nothing, not by an address.
function subject(account) {
  return createHash("sha256").update(account.email).digest("hex").slice(0, 20);
}

function claims({ email, email_verified, name }) {
  return { sub: subject({ email }), email, email_verified, name };
}

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

console.log(port);
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  failing = JSON.parse(line);
  console.log("ok");
});
lines.on("close", () => process.exit());
