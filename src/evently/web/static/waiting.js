// Keeps the page of a waiting room true: asks where the reader stands, as often as the server says, and shows the page
// again when something else is true: the order was drawn, it is the reader's turn, nothing is left. A phone that slept
// asks as soon as it is looked at. Without this script the page asks for itself again.

const SPREAD_MS = 1000; // so that not all pages ask in the same moment
const FAILED_SECONDS = 5;
const FRESH_MS = 2000; // who looks again so soon asks nothing

const card = /** @type {HTMLElement | null} */ (document.querySelector("[data-place]"));
if (card !== null) wait(card);

/** @param {HTMLElement} card */
function wait(card) {
  const address = `/v1/events/${card.dataset.event}/waiting-room/place`;
  const headers = { "Place-Token": card.dataset.place ?? "" };
  let failures = 0;
  let asks = false;
  let askedAt = 0;
  let timer = 0;
  if (card.dataset.state === "entered") noteSeed(card);
  askIn(Math.random() * 2);
  for (const name of ["visibilitychange", "pageshow", "online"]) addEventListener(name, look);

  // Timers sleep with the phone
  function look() {
    if (!document.hidden && !asks && Date.now() - askedAt > FRESH_MS) ask();
  }

  /** @param {number} seconds */
  function askIn(seconds) {
    clearTimeout(timer);
    timer = setTimeout(ask, seconds * 1000 + Math.random() * SPREAD_MS);
  }

  async function ask() {
    asks = true;
    askedAt = Date.now();
    try {
      const response = await fetch(address, { headers, cache: "no-store" });
      if (response.status === 404 || response.status === 409) return location.reload();
      if (!response.ok) return later(Number(response.headers.get("retry-after")));
      failures = 0;
      show(await response.json());
    } catch {
      later(0);
    } finally {
      asks = false;
    }
  }

  /** @param {number} seconds that the server asks for; 0: it said nothing */
  function later(seconds) {
    failures = Math.min(failures + 1, 6);
    askIn(Math.max(seconds || 0, FAILED_SECONDS * failures));
  }

  /** @param {any} place */
  function show(place) {
    const soldOut = place.sold_out ? "yes" : "no";
    if (place.state !== card.dataset.state || (place.state === "waiting" && soldOut !== card.dataset.soldOut)) {
      if (place.state === "admitted") document.title = `It is your turn · ${document.title}`;
      location.reload();
      return;
    }
    setText("position", place.position);
    setText("ahead", place.ahead);
    setText("before", place.ahead === 1 ? "person is" : "people are");
    setText("wait", sayWait(place.wait_from_seconds, place.wait_to_seconds));
    const may = /** @type {HTMLElement | null} */ (card.querySelector("[data-may-sell-out]"));
    if (may !== null) may.hidden = place.wait_from_seconds === null || place.wait_to_seconds !== null;
    askIn(place.poll_after_seconds);
  }

  /** @param {string} name @param {string | number | null} value */
  function setText(name, value) {
    const part = card.querySelector(`[data-${name}]`);
    const text = String(value ?? "");
    if (part !== null && part.textContent !== text) part.textContent = text;
  }
}

// What was promised before the draw: `draw.js` compares it afterwards. Nobody but this browser can change it
/** @param {HTMLElement} card */
function noteSeed(card) {
  const name = `evently-seed-${card.dataset.event}`;
  try {
    if (localStorage.getItem(name) === null) localStorage.setItem(name, card.dataset.seedHash ?? "");
  } catch {
    // Without storage nothing is noted, and nothing compared
  }
}

/** The words of `wait_in_words` in the page. @param {number | null} from @param {number | null} to */
function sayWait(from, to) {
  if (from === null) return "Nobody is let in at this moment.";
  const soonest = Math.floor(from / 60);
  const latest = Math.ceil((to ?? 0) / 60);
  if (to === null) return `Your turn comes ${soonest ? `in ${sayMinutes(soonest)} at the soonest` : "soon"}.`;
  if (latest <= 1) return "Your turn comes within a minute.";
  if (soonest === 0) return `Your turn comes within ${latest} minutes.`;
  return `Your turn comes in about ${soonest < latest ? `${soonest} to ${latest} minutes` : sayMinutes(latest)}.`;
}

/** @param {number} minutes */
function sayMinutes(minutes) {
  return minutes === 1 ? "a minute" : `${minutes} minutes`;
}
