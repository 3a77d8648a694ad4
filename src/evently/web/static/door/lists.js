// The signed list: what a device decides by while it has no network. Its signature is verified before it is read.

import { hashCode, hex, readCode } from "./codes.js";

const ENTRY_BYTES = 10;
const HASH_BYTES = 8;
const STATES = ["valid", "inside", "outside", "cancelled", "passed_on"];
const ECDSA = { name: "ECDSA", namedCurve: "P-256" };

/**
 * Verifies a list and reads it; refuses one whose signature does not hold.
 * @param {{signed: string, signature: string, key_id: string}} list
 * @param {{keys: JsonWebKey[]}} keys
 */
export async function readList(list, keys) {
  const jwk = keys.keys.find((each) => each.kid === list.key_id);
  if (!jwk) throw new Error("the key of the list is not known");
  const key = await crypto.subtle.importKey("jwk", jwk, ECDSA, false, ["verify"]);
  const text = new TextEncoder().encode(list.signed);
  const holds = await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, bytesOf(list.signature), text);
  if (!holds) throw new Error("the signature of the list does not hold");
  const content = JSON.parse(list.signed);
  return { ...content, entries: bytesOf(content.tickets) };
}

/**
 * Returns what a device may decide by itself: the result, as the server names it, and what is known of the
 * ticket. `unlisted`: the code may have been sold after the list.
 * @param {object} list @param {Map<string, object>} own what this device has let in since, by hash
 * @param {{code: string, gate: string, direction: string}} attempt @param {number} now
 */
export async function decide(list, own, attempt, now) {
  const code = readCode(attempt.code ?? "");
  if (!code) return { result: "unknown" };
  const hash = await hashCode(code);
  const key = hex(hash);
  const place = list ? find(list.entries, hash) : -1;
  const seen = own.get(key);
  const known = place < 0 ? {} : ticketAt(list, place);
  const answer = (result) => ({ result, key, before: seen, ...known });
  if (list?.cancelled || known.state === "cancelled") return answer("cancelled");
  if (known.state === "passed_on") return { ...answer("passed_on"), seat: null, now: known.seat };
  const state = seen ? (seen.direction === "out" ? "outside" : "inside") : known.state;
  if (attempt.direction === "out") return answer(place < 0 && !seen ? "unlisted" : state === "inside" ? "accepted" : "outside");
  if (place < 0 && !seen) return answer("unlisted");
  const gate = list?.gates.find((each) => each.name === attempt.gate);
  if (place >= 0 && gate?.ticket_types && !gate.ticket_types.includes(known.number)) return answer("wrong_gate");
  if (list?.opens_at && now < Date.parse(list.opens_at)) return answer("too_early");
  if (list?.closes_at && now >= Date.parse(list.closes_at)) return answer("too_late");
  if (state === "inside") return answer("inside");
  if (state === "outside" && !list?.reentry) return answer("no_reentry");
  return answer("accepted");
}

function ticketAt(list, place) {
  const at = place * ENTRY_BYTES + HASH_BYTES;
  const number = list.entries[at];
  return {
    number,
    state: STATES[list.entries[at + 1]],
    type: list.ticket_types[number],
    seat: list.seats?.[place] || null,
    name: list.names?.[place] || null,
    answers: list.answers?.[place] ? list.answers[place].split("\n") : [],
  };
}

/** Returns the place of a hash among the entries, which are in ascending order, or -1. */
function find(entries, hash) {
  let low = 0;
  let high = entries.length / ENTRY_BYTES - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const order = compare(entries, middle * ENTRY_BYTES, hash);
    if (order === 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

function compare(entries, at, hash) {
  for (let place = 0; place < HASH_BYTES; place += 1) {
    if (entries[at + place] !== hash[place]) return entries[at + place] - hash[place];
  }
  return 0;
}

function bytesOf(base64) {
  const text = atob(base64.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < bytes.length; place += 1) bytes[place] = text.charCodeAt(place);
  return bytes;
}
