// Logs in with a passkey, and adds one: asks the browser, fills what it returns into the form, and sends the
// form, so that every outcome is a page. A form that cannot be used here is not shown.

const login = document.querySelector("[data-passkey=login]");
const add = document.querySelector("[data-passkey=add]");
const FRESH_MS = 8 * 60_000; // a challenge is valid for ten minutes
/** @type {AbortController | null} */
let waiting = null;

if (login) setUp(login, enter);
if (add) setUp(add, make);

/** @param {HTMLFormElement} form @param {(form: HTMLFormElement) => Promise<any>} ask */
function setUp(form, ask) {
  const usable = "PublicKeyCredential" in window && location.origin === form.dataset.origin;
  form.hidden = !usable;
  const note = document.querySelector("[data-passkey-elsewhere]");
  if (note) note.hidden = usable || !("PublicKeyCredential" in window);
  if (!usable) return;
  const button = form.querySelector("button");
  const said = form.querySelector("[role=status]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    said.textContent = "Your browser asks you for the passkey.";
    try {
      send(form, await ask(form));
    } catch (error) {
      button.removeAttribute("aria-busy");
      said.textContent = wordsFor(error);
      if (form === login) offer(form);
    }
  });
  if (form === login) offer(form);
  if (form === add && form.dataset.known !== undefined) tellDevices(form);
}

/** Offers passkeys among the suggestions of the e-mail field, where the browser can. */
async function offer(form) {
  if (!document.querySelector("input[autocomplete~=webauthn]")) return;
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  try {
    send(form, await get("conditional"));
  } catch (error) {
    if (error === "again") offer(form);
  }
}

function enter() {
  return get("optional");
}

/** @param {CredentialMediationRequirement} mediation */
async function get(mediation) {
  waiting?.abort("other");
  const mine = (waiting = new AbortController());
  const options = await ask("/login/passkey/options");
  if (mediation === "conditional") setTimeout(() => mine.abort("again"), FRESH_MS);
  const given = await navigator.credentials.get({
    publicKey: {
      ...options,
      challenge: bytes(options.challenge),
      allowCredentials: options.allowCredentials.map(named),
    },
    mediation,
    signal: mine.signal,
  });
  return asJson(given, ["clientDataJSON", "authenticatorData", "signature", "userHandle"]);
}

async function make() {
  const options = await ask("/me/passkeys/options");
  const given = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: bytes(options.challenge),
      user: { ...options.user, id: bytes(options.user.id) },
      excludeCredentials: options.excludeCredentials.map(named),
    },
  });
  const made = asJson(given, ["clientDataJSON", "attestationObject"]);
  made.response.transports = given.response.getTransports?.() ?? [];
  return made;
}

/**
 * Tells devices which passkeys are still of use, so that they stop to offer those that were removed. Only
 * after a removal: the answer comes before it is done, and a passkey that is made meanwhile would be lost.
 */
function tellDevices(form) {
  const { domain, person, known } = form.dataset;
  const all = { rpId: domain, userId: person, allAcceptedCredentialIds: known ? known.split(" ") : [] };
  PublicKeyCredential.signalAllAcceptedCredentials?.(all)?.catch(() => {});
}

async function ask(address) {
  const answer = await fetch(address, { method: "POST" });
  if (!answer.ok) throw new Error(answer.status === 429 ? "busy" : "refused");
  return answer.json();
}

function send(form, credential) {
  form.elements.credential.value = JSON.stringify(credential);
  form.submit();
}

function wordsFor(error) {
  switch (error?.name) {
    case "InvalidStateError":
      return "This device has a passkey for this account already.";
    case "NotAllowedError":
    case "AbortError":
      return "No passkey was used. Try again, or take another way.";
    case "NotSupportedError":
      return "This device cannot make passkeys.";
    default:
      return error?.message === "busy"
        ? "Too many tries from here. Wait a minute, and try again."
        : "That did not work. Load this page again, and try once more.";
  }
}

function asJson(given, parts) {
  const response = {};
  for (const part of parts) if (given.response[part]) response[part] = text(given.response[part]);
  return { id: given.id, rawId: text(given.rawId), type: given.type, response };
}

function named(each) {
  return { ...each, id: bytes(each.id) };
}

function bytes(base64url) {
  const base64 = base64url.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function text(buffer) {
  const characters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(characters).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
