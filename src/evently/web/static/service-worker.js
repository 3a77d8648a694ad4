// Keeps the tickets of the person who is signed in, so that they open in a hall without a network.
//
// Pages come from the network first; what is kept is shown only when no answer comes, and says of when it is.
// Files of this release come from here for ever. Public pages are never kept. The tickets belong to one
// person: logging out, another person, and a ticket that is not theirs any more delete what is kept.
// The server writes RELEASE before this text: the version of the files, and the addresses to keep.

const TICKETS = "evently-tickets";
const FILES = `evently-files-${RELEASE.version}`;
const LIST = "/me/tickets/offline"; // the tickets to keep
const DOOR = "evently-door"; // the doors at which this phone scans; they belong to the phone, not to a person
const OFFLINE = "/offline"; // the page in the place of one that cannot be reached
const SLOW_MS = 5_000; // a phone in a crowd has a network that carries nothing
const FRESH_MS = 60_000; // between two reads of the list while pages are opened
const RENEWED_MS = 6 * 3_600_000; // a kept page is read again after this, changed or not
const AHEAD_MAX = 40; // tickets that are kept before they are opened, soonest first: 15 KB each
const UNREACHABLE = [502, 503, 504]; // what proxies and a server that starts answer

let epoch = 0; // counts what was cleared: an answer that was asked for before is not kept after
let dueMarks = 0; // counts the forms that were sent: one during a read is not in what was read
let refreshing;

self.addEventListener("install", (event) => {
  event.waitUntil(install());
});

self.addEventListener("activate", (event) => {
  event.waitUntil(activate());
});

self.addEventListener("message", (event) => {
  if (event.data === "refresh") event.waitUntil(refreshFor(event.source));
  else if (event.data?.door) event.waitUntil(keepDoor(event.data.door, event.source));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== location.origin) return;
  if (request.mode === "navigate") {
    if (request.method === "GET") event.respondWith(open(event, url.pathname));
    else if (url.pathname === "/logout") event.respondWith(logOut(request));
    else if (url.pathname === "/me/delete") event.respondWith(closeAccount(request));
    else event.waitUntil(markDue());
  } else if (request.method === "POST") {
    event.waitUntil(markDue()); // it may have changed the tickets, or who is signed in
  } else if (request.method === "GET" && url.pathname.startsWith("/static/")) {
    const own = `/static/${RELEASE.version}/${url.pathname.split("/").slice(3).join("/")}`;
    if (RELEASE.files.includes(own) || RELEASE.door.includes(own)) event.respondWith(file(request, url.pathname === own, own));
  }
});

async function install() {
  const cache = await caches.open(FILES);
  await cache.addAll([...RELEASE.files, new Request(OFFLINE, { cache: "reload" })]);
  await self.skipWaiting(); // safe: pages come from the network, and old addresses of files still work
}

async function activate() {
  for (const name of await caches.keys()) {
    if (name.startsWith("evently-files-") && name !== FILES) await caches.delete(name);
  }
  await self.clients.claim();
  if ((await (await caches.open(DOOR)).keys()).length) await keepDoorFiles().catch(ignore);
  if (await readState()) await refresh().catch(ignore);
}

// Pages -------------------------------------------------------------------------------------------------------

async function open(event, path) {
  const answering = ask(event.request, path);
  const kept = isKept(path) ? await caches.match(path, { cacheName: cacheOf(path) }) : undefined;
  let answer;
  try {
    answer = await (kept ? within(SLOW_MS, answering) : answering);
  } catch {
    answer = undefined;
  }
  if (answer && !(kept && UNREACHABLE.includes(answer.status))) {
    event.waitUntil(refreshIfDue());
    return answer;
  }
  if (kept) {
    event.waitUntil(answering.catch(ignore)); // if it comes after all, it is kept for the next time
    return asOf(kept);
  }
  return offlinePage();
}

async function ask(request, path) {
  const mark = epoch;
  const answer = await fetch(request);
  if (isKept(path)) await keep(path, answer, mark).catch(ignore); // a full disk stops no page
  return answer;
}

async function keep(path, answer, mark) {
  if (cacheOf(path) === DOOR) return keepDoorPage(path, answer);
  if (answer.type === "opaqueredirect") return clear(); // to the log-in
  const reader = answer.headers.get("evently-reader");
  if (answer.ok && reader) {
    const own = await onlyFor(reader, mark);
    if (own === epoch) await put(path, await answer.clone().blob(), answer.headers);
  } else if (answer.ok || [403, 404, 410].includes(answer.status)) {
    await (await caches.open(TICKETS)).delete(path); // void, passed on, or never theirs
  }
}

async function put(path, body, given) {
  const headers = new Headers(given);
  headers.set("evently-kept-at", String(Date.now()));
  await (await caches.open(TICKETS)).put(path, new Response(body, { headers }));
}

async function asOf(kept) {
  const when = moment(Number(kept.headers.get("evently-kept-at")));
  const note =
    `<div class="note warn" role="status"><p><b>No network.</b> This is as it was on ${when}.</p></div>`;
  const text = (await kept.text()).replace("<!-- kept -->", note);
  return new Response(text, { headers: kept.headers });
}

async function offlinePage(said = "") {
  const state = await readState();
  const page = await caches.match(OFFLINE, { cacheName: FILES });
  if (!page || !(state || said)) return Response.error(); // nothing is known here: the browser's own page
  const list = await listOf(state);
  const text = (await page.text()).replace("<!-- kept -->", (said && `<p>${said}</p>`) + list);
  return new Response(text, { headers: page.headers });
}

// The tickets that are here, by event.
async function listOf(state) {
  const cache = await caches.open(TICKETS);
  const cards = [];
  let last;
  for (const ticket of state?.tickets ?? []) {
    if (!(await cache.match(ticket.address))) continue;
    const event = JSON.stringify([ticket.title, ticket.when, ticket.where]);
    if (event !== last) cards.push({ ticket, links: [] });
    last = event;
    cards.at(-1).links.push(`<li><a href="${escaped(ticket.address)}">${escaped(ticket.name)}</a></li>`);
  }
  if (!cards.length) return "";
  const shown = cards.map(
    ({ ticket, links }) =>
      `<li class="card stack tight"><h3>${escaped(ticket.title)}</h3><p class="soft small">` +
      `${escaped(ticket.when)}<br>${escaped(ticket.where)}</p><ul class="list stack tight">${links.join("")}</ul></li>`,
  );
  return (
    `<section class="stack"><h2>Your tickets</h2><p class="soft">As they were on ${moment(state.fetched_at)}.</p>` +
    `<ul class="list stack">${shown.join("")}</ul></section>`
  );
}

async function logOut(request) {
  await clear({ pushes: true });
  try {
    return await fetch(request);
  } catch {
    return offlinePage("What was kept here is deleted. You are still logged in: log out again with a network.");
  }
}

async function closeAccount(request) {
  const answer = await fetch(request);
  if (answer.ok) await clear({ pushes: true });
  return answer;
}

function isKept(path) {
  return path === "/me/tickets" || /^\/tickets\/tkt_[0-9a-z]+$/.test(path) || cacheOf(path) === DOOR;
}

function cacheOf(path) {
  return /^\/door\/evt_[0-9a-z]+$/.test(path) ? DOOR : TICKETS;
}

// The door ----------------------------------------------------------------------------------------------------

async function keepDoor(path, client) {
  const answer = await fetch(path, { redirect: "manual", cache: "no-store" });
  await keepDoorPage(path, answer);
  if (answer.headers.get("evently-door")) client?.postMessage("door kept");
}

async function keepDoorPage(path, answer) {
  const cache = await caches.open(DOOR);
  if (answer.ok && answer.headers.get("evently-door")) {
    await keepDoorFiles();
    await cache.put(path, answer.clone());
  } else if (answer.type === "opaqueredirect" || [401, 403, 404, 410].includes(answer.status)) {
    await cache.delete(path); // revoked
  }
}

async function keepDoorFiles() {
  const cache = await caches.open(FILES);
  const there = new Set((await cache.keys()).map((each) => new URL(each.url).pathname));
  await cache.addAll(RELEASE.door.filter((each) => !there.has(each)));
}

// Files -------------------------------------------------------------------------------------------------------

async function file(request, ofThisRelease, own) {
  const kept = await caches.match(own, { cacheName: FILES });
  if (ofThisRelease && kept) return kept;
  try {
    return await fetch(request);
  } catch (error) {
    if (kept) return kept; // a kept page of an earlier release
    throw error;
  }
}

// The tickets to keep -----------------------------------------------------------------------------------------

async function refreshFor(client) {
  await refresh().catch(ignore);
  client?.postMessage("refreshed");
}

async function refreshIfDue() {
  for (let reads = 0; reads < 2; reads += 1) { // a form that is sent during the first one makes the second due
    const state = await readState();
    if (!state || !(state.due || Date.now() - state.fetched_at > FRESH_MS)) return;
    await refresh().catch(ignore);
  }
}

function refresh() {
  refreshing ??= readTickets().finally(() => {
    refreshing = undefined;
  });
  return refreshing;
}

async function readTickets() {
  const asked = epoch;
  const marks = dueMarks;
  const answer = await fetch(LIST, { redirect: "manual", cache: "no-store" });
  if (answer.type === "opaqueredirect") return clear(); // nobody is signed in
  if (!answer.ok) return;
  const list = await answer.json();
  const mark = await onlyFor(list.reader, asked);
  if (mark !== epoch) return; // logged out meanwhile
  const before = await readState();
  if (!list.tickets.length) return void (await caches.delete(TICKETS));
  const cache = await caches.open(TICKETS);
  const wanted = new Map([["/me/tickets", null], ...list.tickets.map((each) => [each.address, each])]);
  for (const request of await cache.keys()) {
    const { pathname } = new URL(request.url);
    if (pathname !== LIST && !wanted.has(pathname)) await cache.delete(request);
  }
  await writeState({ ...list, fetched_at: Date.now(), due: marks !== dueMarks });
  const versions = new Map(before?.tickets.map((each) => [each.address, each.version]));
  const changed = JSON.stringify(before?.tickets) !== JSON.stringify(list.tickets);
  for (const [path, ticket] of [...wanted].slice(0, AHEAD_MAX + 1)) {
    const kept = await cache.match(path);
    const age = Date.now() - Number(kept?.headers.get("evently-kept-at"));
    const same = ticket ? versions.get(path) === ticket.version : !changed;
    if (kept && same && age < RENEWED_MS) continue;
    await keep(path, await fetch(path, { redirect: "manual", cache: "no-store" }), mark);
    if (mark !== epoch) return;
  }
  const page = await fetch(OFFLINE, { cache: "no-store" }); // in the theme that is chosen now
  if (page.ok) await (await caches.open(FILES)).put(OFFLINE, page);
}

// Deletes what another person has here. Returns the epoch in which an answer to this person may be kept: none
// if something was cleared since it was asked for.
async function onlyFor(reader, mark) {
  const state = await readState();
  if (state && state.reader !== reader) {
    await clear({ pushes: true });
    mark = epoch;
  }
  if (mark === epoch && state?.reader !== reader) await writeState({ reader, tickets: [], fetched_at: 0 });
  return mark;
}

async function clear({ pushes = false } = {}) {
  epoch += 1;
  await caches.delete(TICKETS);
  if (!pushes) return;
  const subscription = await self.registration.pushManager?.getSubscription().catch(ignore);
  await subscription?.unsubscribe().catch(ignore);
  for (const shown of await self.registration.getNotifications()) shown.close();
}

async function markDue() {
  dueMarks += 1;
  const state = await readState();
  if (state) await writeState({ ...state, due: true });
}

async function readState() {
  const kept = await caches.match(LIST, { cacheName: TICKETS });
  return kept?.json();
}

async function writeState(state) {
  await (await caches.open(TICKETS)).put(LIST, new Response(JSON.stringify(state)));
}

// Pushes ------------------------------------------------------------------------------------------------------

self.addEventListener("push", (event) => {
  event.waitUntil(showPush(event.data));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(openPage(event.notification.data?.path));
});

self.addEventListener("pushsubscriptionchange", (event) => {
  event.waitUntil(renewPush(event).catch(ignore));
});

async function showPush(data) {
  let said = {};
  try {
    said = data.json();
  } catch {
    // A browser wants something to be shown for each message
  }
  await self.registration.showNotification(said.title ?? "Evently", {
    body: said.body ?? "There is news about your tickets.",
    tag: said.tag,
    data: { path: said.path ?? "/me/tickets" },
    icon: `/static/${RELEASE.version}/icon.svg`,
    lang: "en",
  });
}

async function openPage(path) {
  const inside = typeof path === "string" && path.startsWith("/") && !/^\/[/\\]/.test(path);
  const url = new URL(inside ? path : "/me/tickets", location.origin).href;
  const open = await self.clients.matchAll({ type: "window" });
  const here = open.find((client) => client.url === url) ?? open.find((client) => client.visibilityState === "visible");
  if (!here) return self.clients.openWindow(url);
  const shown = here.url === url ? here : await here.navigate(url);
  return shown?.focus();
}

// The push service has given the device another address: the server gets it in the place of the earlier one,
// which answers that it is gone.
async function renewPush(event) {
  const options = event.oldSubscription?.options;
  const subscription =
    event.newSubscription ?? (options && (await self.registration.pushManager.subscribe(options)));
  if (!subscription) return;
  const { endpoint, keys } = subscription.toJSON();
  await fetch("/me/devices", {
    method: "POST",
    redirect: "manual",
    body: new URLSearchParams({ endpoint, p256dh: keys.p256dh, auth: keys.auth }),
  });
}

// Pieces ------------------------------------------------------------------------------------------------------

function within(milliseconds, promise) {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error("too slow")), milliseconds);
  });
  return Promise.race([promise, late]);
}

function moment(milliseconds) {
  return new Date(milliseconds).toLocaleString("en-GB", {
    weekday: "long",
    day: "numeric",
    month: "long",
    hour: "2-digit",
    minute: "2-digit",
  });
}

function escaped(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function ignore() {}
