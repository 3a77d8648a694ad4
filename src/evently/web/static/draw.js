// Computes the draw of a waiting room again, from what is published: the seed against its hash, and against the hash that
// this browser noted before the draw; the list against its hash; and the order from both. Says which position the
// reader's entry has. docs/waiting-room.md has the same in Python.

const note = /** @type {HTMLElement | null} */ (document.querySelector("[data-draw]"));
note?.querySelector("[data-compute]")?.addEventListener("click", (event) => {
  const button = /** @type {HTMLButtonElement} */ (event.currentTarget);
  button.disabled = true;
  compute(note).then(say, (error) => say(`This could not be computed: ${error.message}`));
});

/** @param {string} words */
function say(words) {
  const said = note?.querySelector("[data-said]");
  if (said) said.textContent = words;
}

/** @param {HTMLElement} note */
async function compute(note) {
  if (!crypto.subtle) throw new Error("this browser computes hashes on pages with https only.");
  say("Reading the list …");
  const { draw, entries } = await read(note.dataset.draw ?? "");
  const seed = bytesOf(draw.seed);
  const noted = readNote(`evently-seed-${note.dataset.event}`);
  if ((await hash(seed)) !== draw.seed_hash || (noted ?? draw.seed_hash) !== draw.seed_hash) {
    return "The seed is not the one that was promised.";
  }
  const text = new TextEncoder();
  if ((await hash(text.encode([...entries].sort().join("")))) !== draw.list_hash) {
    return "The list is not the one that was closed.";
  }
  say(`Computing ${entries.length} ranks …`);
  const key = await crypto.subtle.importKey("raw", seed, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const suffix = draw.list_hash + draw.public_value;
  const ranks = await Promise.all(
    entries.map(async (entry) => [hexOf(await crypto.subtle.sign("HMAC", key, text.encode(entry + suffix))), entry]),
  );
  ranks.sort(([one], [other]) => (one < other ? -1 : 1));
  const position = ranks.findIndex(([, entry]) => entry === note.dataset.entry) + 1;
  const before = noted === null ? "" : " (this browser noted its fingerprint before)";
  const whole = `Everything agrees: the seed${before}, the list of ${entries.length} and its order.`;
  return position === 0 ? whole : `${whole} Your place came out as number ${position}.`;
}

/** Returns what `waiting.js` noted before the draw. @param {string} name */
function readNote(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Reads the pages of the draw. @param {string} address */
async function read(address) {
  let draw;
  const entries = [];
  for (let after = ""; after !== null; ) {
    const response = await fetch(after ? `${address}?after=${after}` : address);
    if (!response.ok) throw new Error(`the server answered ${response.status}.`);
    const page = await response.json();
    draw ??= page;
    entries.push(...page.data);
    after = page.next_cursor;
  }
  return { draw, entries };
}

/** @param {Uint8Array} bytes */
async function hash(bytes) {
  return hexOf(await crypto.subtle.digest("SHA-256", bytes));
}

/** @param {ArrayBuffer} bytes */
function hexOf(bytes) {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} hex */
function bytesOf(hex) {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
