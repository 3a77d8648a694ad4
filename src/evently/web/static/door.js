// The door on a phone: the camera, typed codes and hardware scanners, answers that fill the screen, and work
// without a network. Each scan is decided by the server when it answers in time, else by the signed list and what
// this device has let in itself; then it is kept, and sent when the network is back. Nobody is un-admitted.

import { Camera } from "./door/camera.js";
import { hashCode, hex, readCode } from "./door/codes.js";
import { decide, readList } from "./door/lists.js";
import { allowSound, signal } from "./door/signals.js";
import { openStore } from "./door/store.js";

const ANSWER_MS = 2_000; // longer, and a queue waits: the list decides
const GREEN_MS = 1_200; // then the camera is back by itself
const READING_MS = 5_000; // where answers of the buyer are to be read
const SAME_MS = 4_000; // a code that stays before the camera is one scan
const LIST_MS = 60_000;
const COUNT_MS = 5_000;
const COUNTED_MS = 1_200; // how old the counters of the server may be
const AGAIN_MS = 3_000; // between two tries to reach the server
const BATCH_MAX = 200; // scans of one request
const SHOWN_MAX = 20; // own scans on the page
const TYPING_MS = 80; // between two keys: a hardware scanner is faster than a person
const CODE_MIN = 12;

const page = document.querySelector("[data-door]");
const base = page.dataset.door;
const zone = page.dataset.zone;
const TIME = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { timeZone: zone, weekday: "short", day: "numeric", month: "short" });
const words = JSON.parse(document.querySelector("#door-words").textContent);
const element = (name) => page.querySelector(`[data-${name}]`);
const form = element("scan");
const gate = form.elements.gate;
const store = await openStore(page.dataset.event);

let list = null; // the last list whose signature holds
let listTag = null;
let listAt = 0; // when the server last said that it is the current one
let offset = (await store.get("kept", "offset")) ?? 0; // of the server's clock to this one, in milliseconds
let reached = true; // whether the server answered the last time
let lostAt = null; // since when it does not
let removed = false; // the scanner was revoked, or the person is logged out
let own = await store.all("log"); // whom this device has let in, by the hash of the code
let counted = { etag: null, checked_in: null, valid: null };
let conflicts = (await store.get("kept", "conflicts")) ?? [];
let countsFrom = 0; // the server may answer with older counters until then
let shown = (await store.get("kept", "shown")) ?? []; // own scans, newest first
let sending = null;
let closing = null;
let lastCode = { code: "", at: 0 };
let camera = null;

await begin();

async function begin() {
  page.classList.add("live");
  await restoreList();
  restoreGate();
  form.addEventListener("submit", onTyped);
  element("answer").addEventListener("click", onAnswer);
  document.addEventListener("keydown", onKey);
  addEventListener("online", () => reach());
  addEventListener("offline", () => lose());
  addEventListener("door-store-lost", showBar);
  gate?.addEventListener("change", () => remember("gate", gate.value));
  for (const other of page.querySelectorAll("form [type=hidden][name=gate]")) {
    if (other.form !== form) other.form.addEventListener("submit", () => (other.value = gate.value)); // found by name
  }
  setUpCamera();
  element("undo").addEventListener("submit", onUndo);
  for (const undo of page.querySelectorAll("[data-found] details form")) undo.addEventListener("submit", onUndoFound);
  element("undo").querySelector("[data-cancel]").addEventListener("click", () => element("undo-box").close());
  keepPage().catch(() => {});
  navigator.storage?.persist?.().catch(() => {});
  setInterval(() => reached && count(), COUNT_MS);
  setInterval(() => reached && renewList(), LIST_MS);
  setInterval(() => (reached ? send() : reach()), AGAIN_MS);
  showBar();
  showConflicts();
  showScans();
  await Promise.all([renewList(), count(), send(), restoreScans()]);
  page.dataset.ready = "yes";
}

// Scans -------------------------------------------------------------------------------------------------------

/** @param {{code?: string, ticket_id?: string}} what */
async function scan(what) {
  const direction = new FormData(form).get("direction") ?? "in";
  const attempt = {
    id: newId(),
    ...what,
    scanned_at: new Date(now()).toISOString(),
    direction,
    gate: gate?.value ?? "",
    offline: false,
  };
  const began = performance.now();
  const answer = (await ask(attempt)) ?? (await decideHere(attempt));
  page.dataset.took = String(Math.round(performance.now() - began));
  await show(attempt, answer);
}

/** Returns the answer of the server, or null when none comes in time. */
async function ask(attempt) {
  if (!reached || removed) return null;
  try {
    const [answer] = await post([attempt], ANSWER_MS);
    note(attempt, answer).catch(() => {}); // for the time without a network: nobody waits for it
    return answer;
  } catch {
    attempt.tried = true; // the server may have it
    return null;
  }
}

async function decideHere(attempt) {
  const found = await decide(list, own, attempt, now());
  const said = words[found.result];
  const why = said.why
    .replace("{list}", list ? clock(listAt + offset) : "never")
    .replace("{opens}", list?.opens_at ? clock(Date.parse(list.opens_at)) : "")
    .replace("{closes}", list?.closes_at ? clock(Date.parse(list.closes_at)) : "")
    .replace("{now}", found.now ? `, and is for ${found.now} now` : "")
    .replace("{before}", beforeText(found.before));
  const answer = { id: attempt.id, result: found.result, ...said, why, name: found.name, type: found.type, seat: found.seat };
  answer.answers = found.answers ?? [];
  answer.word = attempt.direction === "out" && found.result === "accepted" ? "Out" : said.word;
  answer.offline = true;
  if (found.result === "accepted") await admitHere(attempt, found.key);
  return answer;
}

/** Keeps a scan that this device has decided, until the server has it. */
async function admitHere(attempt, key) {
  const kept = { ...attempt, offline: true, key };
  await Promise.all([store.put("queue", attempt.id, kept), noteKey(key, attempt)]);
  showBar();
}

async function note(attempt, answer) {
  if (answer.result !== "accepted" || !attempt.code) return;
  const code = readCode(attempt.code);
  if (code) await noteKey(hex(await hashCode(code)), attempt);
}

async function noteKey(key, attempt) {
  const entry = { id: attempt.id, at: Date.parse(attempt.scanned_at), gate: attempt.gate, direction: attempt.direction };
  own.set(key, entry);
  await store.put("log", key, entry);
}

async function forgetScan(id) {
  await forgetKeys([...own].filter(([, entry]) => entry.id === id).map(([key]) => key));
}

async function forgetKeys(keys) {
  for (const key of keys) own.delete(key);
  await store.remove("log", ...keys);
}

function beforeText(before) {
  if (!before) return `before ${clock(listAt + offset)}`;
  return `at ${clock(before.at)}, on this phone${before.gate ? `, ${before.gate}` : ""}`;
}

// Answers -----------------------------------------------------------------------------------------------------

async function show(attempt, answer) {
  const box = element("answer");
  clearTimeout(closing);
  box.className = `answer ${answer.colour}`;
  box.dataset.result = answer.result;
  box.dataset.offline = String(Boolean(answer.offline));
  put(box, "sign", answer.sign);
  put(box, "word", answer.word);
  put(box, "name", answer.name ?? "");
  const named = answer.type && answer.seat?.startsWith(answer.type); // such as Circle, of Circle, row A, seat 9
  put(box, "type", [named ? null : answer.type, answer.seat].filter(Boolean).join(", "));
  put(box, "why", answer.why);
  showAnswers(box, answer.answers ?? []);
  box.querySelector("[data-decide]").hidden = answer.result !== "unlisted";
  box.querySelector("[data-next]").hidden = answer.result === "unlisted";
  box.attempt = attempt;
  box.hidden = false;
  box.focus({ preventScroll: true });
  signal(answer.colour);
  remember20(attempt, answer);
  if (answer.colour === "good") closing = setTimeout(close, answer.answers?.length ? READING_MS : GREEN_MS);
}

/** Shows what the buyer has answered to questions whose answers the door sees. */
function showAnswers(box, lines) {
  const rows = lines.map((line) => {
    const row = document.createElement("li");
    row.dir = "auto";
    row.textContent = line;
    return row;
  });
  box.querySelector("[data-answers]").replaceChildren(...rows);
  box.querySelector("[data-answers]").hidden = !rows.length;
}

async function onAnswer(event) {
  const chosen = event.target.closest("button")?.dataset.choose;
  const { attempt, dataset } = element("answer");
  if (dataset.result === "unlisted") {
    if (!chosen) return; // a person decides
    if (chosen === "in") {
      await admitHere(attempt, hex(await hashCode(readCode(attempt.code))));
      markShown(attempt.id, "Let in, not on the list");
    }
  }
  close();
}

function close() {
  clearTimeout(closing);
  element("answer").hidden = true;
}

function put(box, name, text) {
  const target = box.querySelector(`[data-${name}]`);
  target.textContent = text;
  target.hidden = !text;
}

// Own scans, and their undoing --------------------------------------------------------------------------------

function remember20(attempt, answer) {
  const { id, direction, code } = attempt;
  const { result, word, name, type } = answer;
  shown = [{ id, direction, result, word, name, type, end: code?.slice(-6), at: now() }, ...shown].slice(0, SHOWN_MAX);
  showScans();
  keepScans();
}

function markShown(id, text) {
  const found = shown.find((each) => each.id === id);
  if (found) found.mark = text;
  showScans();
  keepScans();
}

/** Keeps the list for the next load of the page; names only where the organizer lets phones keep them. */
function keepScans() {
  const names = page.dataset.names === "yes";
  store.put("kept", "shown", names ? shown : shown.map((each) => ({ ...each, name: null })));
}

/** Adds what the server knows of this device: the list may be of another page, or the store is gone. */
async function restoreScans() {
  let known;
  try {
    const answer = await request(`${base}/own`, {}, 8_000);
    if (!answer.ok) return;
    known = (await answer.json()).scans;
  } catch {
    return; // the list stays as this phone has kept it
  }
  const merged = new Map(shown.map((each) => [each.id, each]));
  for (const { id, at, name, type, undone, undoable } of known) {
    const here = merged.get(id) ?? { id, direction: "in", result: "accepted", word: "In", at };
    const mark = undone ? "Undone" : here.mark;
    merged.set(id, { ...here, name: name ?? here.name, type: type ?? here.type, mark, settled: !undoable });
  }
  shown = [...merged.values()].sort((a, b) => b.at - a.at).slice(0, SHOWN_MAX);
  showScans();
  keepScans();
}

function showScans() {
  const rows = shown.map((scanned) => {
    const { id, at, name, type, mark } = scanned;
    const row = document.createElement("li");
    row.className = "own";
    const text = document.createElement("span");
    const who = name || type || (scanned.end ? `…${scanned.end}` : "");
    text.textContent = `${clock(at)} · ${mark ?? scanned.word} · ${who}`;
    row.append(text);
    const letIn = scanned.result === "accepted" || mark?.startsWith("Let in");
    if (letIn && scanned.direction === "in" && mark !== "Undone" && !scanned.settled) {
      const undo = document.createElement("button");
      undo.type = "button";
      undo.className = "button plain short";
      undo.textContent = "Undo";
      undo.setAttribute("aria-label", `Undo ${who}, ${clock(at)}`);
      undo.addEventListener("click", () => askWhy(id));
      row.append(undo);
    }
    return row;
  });
  element("scans").replaceChildren(...rows);
  element("scans-box").hidden = !rows.length;
}

function askWhy(id) {
  const undo = element("undo");
  undo.elements.scan_id.value = id;
  undo.elements.reason.value = "";
  put(undo, "wrong", "");
  element("undo-box").showModal();
}

async function onUndo(event) {
  event.preventDefault();
  const undo = element("undo");
  const id = undo.elements.scan_id.value;
  const reason = undo.elements.reason.value.trim();
  if (!reason) return put(undo, "wrong", "Say why, in a few words.");
  const wrong = await undoScan(id, reason);
  if (wrong) return put(undo, "wrong", wrong);
  element("undo-box").close();
}

/** Undoes the check-in of a ticket that was found by a name, without loading the page again. */
async function onUndoFound(event) {
  event.preventDefault();
  const undo = event.currentTarget;
  const row = undo.closest("[data-found]");
  const wrong = await undoScan(undo.elements.scan_id.value, undo.elements.reason.value.trim());
  if (wrong) {
    undo.elements.reason.setCustomValidity(wrong);
    undo.elements.reason.reportValidity();
    undo.elements.reason.addEventListener("input", (typing) => typing.target.setCustomValidity(""), { once: true });
    return;
  }
  row.querySelector("[data-state]").textContent = " · check-in undone";
  undo.closest("details").remove();
  row.querySelector("form").hidden = false;
  row.querySelector("form button").focus();
}

/** Undoes a check-in, here or on the server; returns why not, or nothing. */
async function undoScan(id, reason) {
  await sending; // a scan that is being sent is either here or there, not both
  const waiting = (await store.all("queue")).has(id);
  if (waiting) {
    await store.remove("queue", id);
  } else {
    try {
      const { counts } = await postJson(`${base}/undo`, { scan_id: id, reason });
      countsFrom = performance.now() + COUNTED_MS;
      showCounts({ etag: null, ...counts });
    } catch (error) {
      const text = error.sentence ?? "There is no network. A scan that was sent is undone when it is back.";
      return text;
    }
  }
  await forgetScan(id);
  markShown(id, "Undone");
  showBar();
  return "";
}

// Typing, and hardware scanners -------------------------------------------------------------------------------

async function onTyped(event) {
  event.preventDefault();
  allowSound();
  const input = form.elements.code;
  const code = input.value.trim();
  if (!code) return input.focus();
  input.value = "";
  await scan({ code });
}

let typed = { text: "", at: 0 };

function onKey(event) {
  if (event.key === "Escape" && !element("answer").hidden && element("answer").dataset.result !== "unlisted") return close();
  if (event.target.closest?.("input, select, textarea, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
  const quick = event.timeStamp - typed.at < TYPING_MS;
  if (event.key === "Enter") {
    const text = typed.text;
    typed = { text: "", at: 0 };
    if (text.length < CODE_MIN) return;
    event.preventDefault();
    scan({ code: text });
  } else if (event.key.length === 1) {
    typed = { text: (quick ? typed.text : "") + event.key, at: event.timeStamp };
  }
}

// The camera --------------------------------------------------------------------------------------------------

function setUpCamera() {
  const box = element("camera");
  if (!navigator.mediaDevices?.getUserMedia) return;
  box.hidden = false;
  const start = box.querySelector("[data-start]");
  start.addEventListener("click", () => {
    allowSound();
    startCamera();
  });
  element("light").addEventListener("click", async (event) => {
    const on = event.currentTarget.getAttribute("aria-pressed") !== "true";
    event.currentTarget.setAttribute("aria-pressed", String(on));
    await camera.light(on).catch(() => {});
  });
  element("switch").addEventListener("click", () => camera.switchOver().then(showCamera).catch(cameraFailed));
  navigator.permissions?.query({ name: "camera" }).then(
    (permission) => permission.state === "granted" && startCamera(),
    () => {},
  );
}

async function startCamera() {
  camera ??= new Camera(element("video"), onCode);
  put(element("camera"), "trouble", "");
  element("start").hidden = true;
  try {
    await camera.start();
    await showCamera();
    wake();
  } catch (error) {
    cameraFailed(error);
  }
}

async function showCamera() {
  element("video").hidden = false;
  element("light").hidden = !camera.canLight;
  element("switch").hidden = !(await camera.hasOthers());
  page.dataset.camera = "on";
}

function cameraFailed(error) {
  const text =
    error?.name === "NotAllowedError"
      ? "The browser may not use the camera. Allow it in the settings of this page, or type codes below."
      : "The camera cannot be read here. Type codes below, or use a hardware scanner.";
  put(element("camera"), "trouble", text);
  element("start").hidden = false;
}

function onCode(code) {
  const at = performance.now();
  const same = code === lastCode.code && at - lastCode.at < SAME_MS;
  lastCode = { code, at };
  if (same || element("undo-box").open) return;
  if (!element("answer").hidden && element("answer").dataset.result === "unlisted") return; // a person decides first
  scan({ code });
}

async function wake() {
  const lock = () => navigator.wakeLock?.request("screen").catch(() => {});
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && lock());
  await lock();
}

// The network -------------------------------------------------------------------------------------------------

async function post(attempts, milliseconds) {
  const body = attempts.map(({ id, code, ticket_id, scanned_at, direction, gate: at, offline }) => ({
    id, code, ticket_id, scanned_at, direction, gate: at, offline,
  }));
  return (await postJson(`${base}/scans`, { scans: body }, milliseconds)).scans;
}

async function postJson(address, body, milliseconds = 15_000) {
  const headers = { "content-type": "application/json" };
  const answer = await request(address, { method: "POST", headers, body: JSON.stringify(body) }, milliseconds);
  if (answer.ok) return answer.json();
  const error = new Error(`${answer.status}`);
  error.status = answer.status;
  error.sentence = await answer.json().then(({ sentence }) => sentence, () => undefined);
  throw error;
}

/** Asks the server; knows afterwards whether it can be reached, and how far its clock is from this one. */
async function request(address, options, milliseconds) {
  let answer;
  const asked = Date.now();
  try {
    answer = await fetch(address, { redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(milliseconds), ...options });
  } catch (error) {
    lose();
    throw error;
  }
  if (answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403 || answer.status === 404) {
    if (address !== `${base}/undo`) removed = true;
    showBar();
  } else if (answer.status >= 500 || answer.status === 429) {
    lose();
  } else {
    found();
    const server = Number(answer.headers.get("evently-now"));
    if (server) {
      offset = server - (asked + Date.now()) / 2;
      store.put("kept", "offset", offset);
    }
  }
  return answer;
}

function lose() {
  if (!reached) return;
  reached = false;
  lostAt = now();
  showBar();
}

function found() {
  removed = false;
  if (reached) return;
  reached = true;
  lostAt = null;
  showBar();
}

async function reach() {
  await count();
  if (reached) await Promise.all([send(), renewList()]);
}

/** Sends the scans that this device has decided, oldest first. */
function send() {
  if (removed) return Promise.resolve();
  sending ??= sendAll()
    .catch(() => {})
    .finally(() => {
      sending = null;
      showBar();
    });
  return sending;
}

async function sendAll() {
  while (await store.count("queue")) {
    const queue = [...(await store.all("queue")).values()].sort((a, b) => (a.scanned_at < b.scanned_at ? -1 : 1));
    for (let first = 0; first < queue.length; first += BATCH_MAX) {
      await sendSome(queue.slice(first, first + BATCH_MAX));
      showBar();
    }
  }
}

async function sendSome(batch) {
  let answers;
  try {
    answers = await post(batch, 30_000);
  } catch (error) {
    if (!error.status || error.status >= 500 || [401, 403, 404, 429].includes(error.status)) throw error;
    if (batch.length > 1) {
      for (const one of batch) await sendSome([one]); // one of them is refused as a whole: the others are not
      return;
    }
    await store.remove("queue", batch[0].id);
    await addConflict({ why: error.sentence ?? "The server does not take this scan.", at: batch[0].scanned_at });
    return;
  }
  for (const [place, answer] of answers.entries()) {
    const sent = batch[place];
    if (answer.result === "accepted") continue;
    if (sent.tried && !answer.offline) {
      // The server had refused it before the network broke, and does not know that this device has let the
      // holder in: it is told with a scan of its own.
      const told = { ...sent, id: newId(), tried: false };
      await store.put("queue", told.id, told);
      continue;
    }
    await addConflict({ why: answer.why, name: answer.name, type: answer.type, at: sent.scanned_at, before: answer.before });
  }
  await store.remove("queue", ...batch.map((sent) => sent.id));
}

async function addConflict(conflict) {
  conflicts = [conflict, ...conflicts].slice(0, 100);
  await store.put("kept", "conflicts", conflicts);
  signal("warn");
  showConflicts();
}

function showConflicts() {
  const rows = conflicts.map(({ why, name, type, at }) => {
    const row = document.createElement("li");
    row.textContent = `${[name, type].filter(Boolean).join(", ") || "A ticket"}: let in here at ${clock(Date.parse(at))}. ${why}`;
    return row;
  });
  element("conflicts").replaceChildren(...rows);
  element("conflicts-box").hidden = !rows.length;
}

// The list ----------------------------------------------------------------------------------------------------

async function restoreList() {
  const kept = await store.get("kept", "list");
  if (!kept) return;
  try {
    list = await readList(kept.list, kept.keys);
    listTag = kept.etag;
    listAt = (await store.get("kept", "list at")) ?? kept.at;
  } catch {
    await store.remove("kept", "list");
  }
}

async function renewList() {
  try {
    const headers = list && listTag ? { "if-none-match": listTag } : {};
    const answer = await request(`${base}/list`, { headers }, 20_000);
    if (answer.status === 304) {
      listAt = Date.now();
      await store.put("kept", "list at", listAt);
    } else if (answer.ok) {
      const fresh = await answer.json();
      const keys = await (await fetch("/v1/check-in/keys")).json();
      list = await readList(fresh, keys);
      listAt = Date.now();
      listTag = answer.headers.get("etag");
      await store.put("kept", "list", { list: fresh, keys, etag: listTag, at: listAt });
      await store.put("kept", "list at", listAt);
      await forgetUndone();
    }
  } catch {
    // The list that is here goes on; the bar says of when it is
  }
  showBar();
}

/** What was undone elsewhere is valid again on the list: only younger scans of this device say otherwise. */
async function forgetUndone() {
  const made = Date.parse(list.made_at);
  const waiting = await store.all("queue");
  const old = [...own].filter(([, entry]) => entry.at <= made && !waiting.has(entry.id));
  await forgetKeys(old.map(([key]) => key));
}

// What is shown -----------------------------------------------------------------------------------------------

async function count() {
  const asked = performance.now();
  if (reached && asked < countsFrom) return;
  try {
    const headers = counted.etag ? { "if-none-match": counted.etag } : {};
    const answer = await request(`${base}/counters`, { headers }, 8_000);
    if (!answer.ok || asked < countsFrom) return;
    showCounts({ etag: answer.headers.get("etag"), ...(await answer.json()) });
  } catch {
    // The counters stay as they were
  }
}

function showCounts(counts) {
  counted = counts;
  element("inside").textContent = counted.checked_in.toLocaleString("en-GB");
  element("valid").textContent = counted.valid.toLocaleString("en-GB");
  showGates();
}

function showGates() {
  const row = (name, text) => {
    const box = document.createElement("div");
    box.append(document.createElement("dt"), document.createElement("dd"));
    box.firstChild.textContent = name;
    box.lastChild.textContent = text;
    return box;
  };
  const number = (figure) => figure.toLocaleString("en-GB");
  element("gates").replaceChildren(
    row("Inside now", number(counted.inside)),
    ...counted.gates.map((each) => row(each.gate || "No gate", `${number(each.admitted)} in, ${number(each.refused)} stopped`)),
  );
}

async function showBar() {
  const waiting = await store.count("queue");
  const bar = element("network");
  const parts = [];
  if (removed) parts.push("This phone may not scan any more. Ask for a new code at the desk.");
  else if (!reached) parts.push(`Offline since ${clock(lostAt)}`);
  else parts.push("Online");
  if (waiting) parts.push(`${waiting} to send`);
  if (!store.lasts) parts.push("this browser keeps nothing: do not close the page while offline");
  bar.textContent = parts.join(", ");
  bar.className = `network ${removed ? "bad" : reached && store.lasts ? "" : "warn"}`;
  element("list").textContent = list
    ? `List of ${clock(listAt + offset)}, ${list.count.toLocaleString("en-GB")} codes`
    : "No list yet: without a network every code needs a look.";
}

function restoreGate() {
  const kept = localStorageValue("gate");
  if (gate && kept && [...gate.options].some((each) => each.value === kept)) gate.value = kept;
}

function remember(name, value) {
  try {
    localStorage.setItem(`${base} ${name}`, value);
  } catch {
    // It is chosen again the next time
  }
}

function localStorageValue(name) {
  try {
    return localStorage.getItem(`${base} ${name}`);
  } catch {
    return null;
  }
}

// The time of the server: the clock of a phone may be an hour off.
function now() {
  return Date.now() + offset;
}

/** Returns a time of day at the venue, with the day when it is another one than today. */
function clock(milliseconds) {
  const [day, today] = [DAY.format(milliseconds), DAY.format(now())];
  return day === today ? TIME.format(milliseconds) : `${day}, ${TIME.format(milliseconds)}`;
}

function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  return hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Has the service worker keep this page, so that an enrolled phone opens it without a network. */
async function keepPage() {
  if (!("serviceWorker" in navigator) || page.dataset.enrolled !== "yes") return;
  await navigator.serviceWorker.register("/service-worker.js", { scope: "/", updateViaCache: "none" });
  const registration = await navigator.serviceWorker.ready;
  navigator.serviceWorker.addEventListener("message", (event) => {
    if (event.data === "door kept") page.dataset.kept = "yes";
  });
  registration.active.postMessage({ door: base });
}
