// Keeps the page of a waiting room true: asks where the reader stands, as often as the server says, and shows the page
// again when something else is true: the order was drawn, it is the reader's turn, nothing is left. Without this script
// the page asks for itself again.

const SPREAD_MS = 1000; // so that not all pages ask in the same moment
const FAILED_SECONDS = 5;

const card = /** @type {HTMLElement | null} */ (document.querySelector("[data-place]"));
if (card !== null) wait(card);

/** @param {HTMLElement} card */
function wait(card) {
  const address = `/v1/events/${card.dataset.event}/waiting-room/place`;
  const headers = { "Place-Token": card.dataset.place ?? "" };
  let failures = 0;
  askIn(Math.random() * 2);

  /** @param {number} seconds */
  function askIn(seconds) {
    setTimeout(ask, seconds * 1000 + Math.random() * SPREAD_MS);
  }

  async function ask() {
    try {
      const response = await fetch(address, { headers, cache: "no-store" });
      if (response.status === 404 || response.status === 409) return location.reload();
      if (!response.ok) throw new Error(String(response.status));
      failures = 0;
      show(await response.json());
    } catch {
      failures = Math.min(failures + 1, 6);
      askIn(FAILED_SECONDS * failures);
    }
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
    askIn(place.poll_after_seconds);
  }

  /** @param {string} name @param {number | null} value */
  function setText(name, value) {
    const part = card.querySelector(`[data-${name}]`);
    const text = String(value ?? "");
    if (part !== null && part.textContent !== text) part.textContent = text;
  }
}
