// A SAML identity provider for tests: the library's own messages and signatures, our accounts and pages.
//
// Runs and ends as `oidc.mjs` does; see `tests/src/provider.rs` for the settings. Its addresses are those
// of OneLogin: `/trust/saml2/http-post/sso/APP` for apps that ask, `/launch/APP` for the person who picks.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import samlify from "samlify";
import selfsigned from "selfsigned";

// What the library has to say is no answer to the test.
const say = console.log;
console.log = console.info = console.warn;

const settings = JSON.parse(process.argv.at(-1));
const BINDING = "urn:oasis:names:tc:SAML:2.0:bindings";
const keys = selfsigned.generate([{ name: "commonName", value: "identity provider of a test" }], { keySize: 2048 });
// Requests are read by the library; validating their schema would need a program of its own.
samlify.setSchemaValidator({ validate: async () => "not validated" });

const sso = `${settings.issuer}/trust/saml2/http-post/sso`;
const provider = samlify.IdentityProvider({
  entityID: `${settings.issuer}/saml/metadata`,
  privateKey: keys.private,
  signingCert: keys.cert,
  nameIDFormat: ["urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"],
  singleSignOnService: ["HTTP-Redirect", "HTTP-POST"].map((it) => ({ Binding: `${BINDING}:${it}`, Location: sso })),
});
const apps = new Map(settings.apps.map(({ name, consumer }) => {
  const app = samlify.ServiceProvider({
    entityID: `${new URL(consumer).origin}/metadata`,
    wantAssertionsSigned: true,
    assertionConsumerService: [{ Binding: `${BINDING}:HTTP-POST`, Location: consumer }],
  });
  return [name, app];
}));
// Who is signed in, by cookie; requests that wait for a person, by id.
const sessions = new Map();
const waiting = new Map();

const server = createServer((request, response) => {
  answer(request, response).catch((error) => show(response, 400, "Something went wrong", text(error.message)));
});
server.listen(0, "127.0.0.1", () => say(server.address().port));
process.stdin.on("end", () => process.exit()).resume();

async function answer(request, response) {
  const url = new URL(request.url, settings.issuer);
  const form = request.method === "POST" ? new URLSearchParams(await read(request)) : null;
  if (url.pathname === "/login2/") return signIn(url, form, response);
  const name = url.pathname.split("/").at(-1);
  const app = apps.get(name);
  if (!app) return show(response, 404, "No such app", "");
  const asked = await question(app, url, form);
  const user = sessions.get(/session=([^;]*)/.exec(request.headers.cookie ?? "")?.[1]);
  if (user) return assert(response, app, user, asked);
  const id = randomUUID();
  waiting.set(id, { app, asked });
  response.writeHead(302, { location: `/login2/?wait=${id}` }).end();
}

// The app's request, from either binding; null where the person came without one.
async function question(app, url, form) {
  if (form?.has("SAMLRequest")) {
    const request = await provider.parseLoginRequest(app, "post", { body: Object.fromEntries(form) });
    return { request, relayState: form.get("RelayState") };
  }
  if (!url.searchParams.has("SAMLRequest")) return { request: null };
  const request = await provider.parseLoginRequest(app, "redirect", { query: Object.fromEntries(url.searchParams) });
  return { request, relayState: url.searchParams.get("RelayState") };
}

async function signIn(url, form, response) {
  const wait = waiting.get(url.searchParams.get("wait"));
  const user = settings.accounts.find((it) => it.email === form?.get("email") && it.password === form.get("password"));
  if (!wait || !user) return show(response, 200, "Sign in", form ? "<p role=alert>Wrong e-mail or password.</p>" + FORM : FORM);
  const session = randomUUID();
  sessions.set(session, user);
  response.setHeader("set-cookie", `session=${session}; Path=/; Secure; HttpOnly`);
  return assert(response, wait.app, user, wait.asked);
}

// A page that posts the assertion to the app by itself (SAML 2.0 Bindings, section 3.5.4).
async function assert(response, app, user, { request, relayState }) {
  const made = await provider.createLoginResponse(app, request, "post", { email: user.email }, { relayState });
  const state = relayState ? `<input type="hidden" name="RelayState" value="${text(relayState)}">` : "";
  show(response, 200, "One moment", `<form method="post" action="${text(made.entityEndpoint)}">
    <input type="hidden" name="SAMLResponse" value="${text(made.context)}">${state}</form>
    <script>document.forms[0].submit()</script>`);
}

const FORM = `<form method="post">
  <label>E-mail <input type="email" name="email" autocomplete="username"></label>
  <label>Password <input type="password" name="password" autocomplete="current-password"></label>
  <button type="submit">Sign in</button></form>`;

function show(response, status, title, body) {
  response.writeHead(status, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
  response.end(`<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>${body}`);
}

function text(it) {
  return String(it ?? "").replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}
