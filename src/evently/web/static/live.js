// Keeps what a page says about an event true, by the event's stream: numbers, sold out, on sale. Where no
// stream can be opened, or one brings nothing, because a proxy holds it back, it asks now and then. Without this
// script the page shows what was true when it was made.

const OPEN_AFTER_MS = 1500; // who leaves at once opens nothing
const ASK_EVERY_MS = 15_000;
const REOPEN_AFTER_MS = 60_000; // after a refusal
const CLOSE_AFTER_MS = 20_000; // of absence
const SILENT_MS = 40_000; // a ping comes every 15 s: such a stream is held back, or lost
const SPREAD_MS = 3000; // so that not all pages ask in the same moment

/**
 * Follows an event while the page is seen; after an absence it continues where it was.
 *
 * @param {string} address of the stream
 * @param {{ take: (message: any) => void, ask: () => Promise<void> }} reader
 *   `take` gets each message; `ask` is called instead, now and then, while none come
 */
function follow(address, reader) {
  /** @type {EventSource | null} */
  let source = null;
  /** @type {number | undefined} */
  let since;
  let flows = false;
  let heardAt = 0;
  let over = false;
  let opening = 0;
  let closing = 0;

  function open() {
    clearTimeout(opening);
    if (source !== null || over || document.hidden) return;
    const query = since === undefined ? "" : `${address.includes("?") ? "&" : "?"}since=${since}`;
    source = new EventSource(address + query);
    heardAt = performance.now();
    source.addEventListener("snapshot", take);
    source.addEventListener("changes", take);
    source.addEventListener("ping", hear);
    source.addEventListener("end", end);
    source.addEventListener("error", () => {
      flows = false;
      if (source?.readyState === EventSource.CLOSED) {
        close();
        ask();
        openIn(REOPEN_AFTER_MS);
      }
    });
  }

  function openIn(milliseconds) {
    clearTimeout(opening);
    opening = setTimeout(open, milliseconds + Math.random() * SPREAD_MS);
  }

  function close() {
    source?.close();
    source = null;
    flows = false;
  }

  function hear() {
    flows = true;
    heardAt = performance.now();
  }

  function take(event) {
    hear();
    const message = JSON.parse(event.data);
    // Another server process may be a little behind: what is older than known is no news
    if (since !== undefined && message.seq < since && message.type !== "snapshot") return;
    since = message.seq;
    reader.take(message);
  }

  function end(event) {
    over = JSON.parse(event.data).reason !== "stopping";
    if (over) close();
    else flows = false;
  }

  /** Look whether the stream still speaks; ask if it does not. */
  function look() {
    if (source !== null && performance.now() - heardAt > SILENT_MS) {
      close();
      openIn(REOPEN_AFTER_MS);
    }
    ask();
  }

  function ask() {
    if (!document.hidden && !flows && !over) reader.ask().catch(() => {});
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(closing);
    if (document.hidden) closing = setTimeout(close, CLOSE_AFTER_MS);
    else open();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && open());
  setInterval(look, ASK_EVERY_MS);
  addEventListener("load", () => (opening = setTimeout(open, OPEN_AFTER_MS)));
}

const tickets = /** @type {HTMLElement | null} */ (document.querySelector("[data-live]"));
if (tickets !== null) showLive(tickets);

/** @param {HTMLElement} form with the ticket types of an event */
function showLive(form) {
  const event = `/v1/events/${form.dataset.live}`;
  const status = document.createElement("p");
  let etag = "";
  status.className = "unseen";
  status.setAttribute("role", "status");
  form.append(status);
  form.addEventListener("input", limitAddOns);
  limitAddOns();
  follow(`${event}/stream?seats=false`, { take: show, ask });

  async function ask() {
    const response = await fetch(`${event}/availability`, { headers: etag ? { "If-None-Match": etag } : {} });
    if (!response.ok) return;
    etag = response.headers.get("etag") ?? "";
    show(await response.json());
  }

  function show(message) {
    if (message.state !== form.dataset.state) changeState(message.state);
    for (const type of message.ticket_types) {
      const row = form.querySelector(`[data-type="${CSS.escape(type.ticket_type_id)}"]`);
      if (row instanceof HTMLElement) showType(row, type);
    }
  }

  /** @param {string} state of the whole sale */
  function changeState(state) {
    const before = form.dataset.state;
    form.dataset.state = state;
    const badge = document.querySelector("[data-badge] .badge");
    const selling = state === "on_sale" || state === "sold_out";
    if (selling && (before === "on_sale" || before === "sold_out")) {
      if (badge !== null) {
        badge.className = `badge ${state === "on_sale" ? "good" : "warn"}`;
        badge.textContent = state === "on_sale" ? "On sale" : "Sold out";
      }
      for (const part of form.querySelectorAll("[data-buy]")) part.hidden = state === "sold_out";
    } else if (state === "on_sale" && !chosen()) {
      setTimeout(() => location.reload(), Math.random() * SPREAD_MS);
    } else {
      const said = { cancelled: "This event was cancelled.", ended: "The sale has ended." };
      offerReload(said[state] ?? "The sale has changed.");
    }
  }

  function chosen() {
    return [...form.querySelectorAll("input[type=number]")].some((input) => Number(input.value) > 0);
  }

  /** @param {string} text */
  function offerReload(text) {
    const note = document.createElement("p");
    const link = document.createElement("a");
    note.className = "note warn";
    note.setAttribute("role", "status");
    link.href = location.pathname + location.search;
    link.textContent = "Show the page again";
    note.append(`${text} `, link);
    form.querySelector("[data-live-note]")?.remove();
    note.dataset.liveNote = "";
    form.prepend(note);
  }

  /**
   * @param {HTMLElement} row
   * @param {{ available: number, state: string }} type
   */
  function showType(row, { available, state }) {
    const before = row.dataset.state;
    const count = row.querySelector("[data-count]");
    const limit = mostOf(row, Math.max(0, Math.min(Number(row.dataset.most), available)));
    if (count !== null) {
      count.textContent = available < Number(row.dataset.few) ? `${available} left` : "Available";
    }
    const input = row.querySelector("input[type=number]");
    if (input !== null && state !== "sold_out" && Number(input.max) !== limit) setMost(input, limit, row);
    if (state === before) return;
    row.dataset.state = state;
    const known = state === "on_sale" || state === "sold_out";
    if (state === "sold_out" && row.dataset.needs === undefined && row.querySelector('[data-when="sold_out"]') === null) addWaitlist(row);
    for (const part of row.querySelectorAll("[data-when]")) part.hidden = part.dataset.when !== state;
    if (!known) offerReload(`${nameOf(row)}: no longer on sale.`);
    if (state === "sold_out") {
      if (input !== null) setMost(input, 0, row);
      const more = row.dataset.needs === undefined ? " You can join the waitlist." : "";
      status.textContent = `${nameOf(row)}: sold out.${more}`;
    } else if (state === "on_sale" && before === "sold_out") {
      status.textContent = `${nameOf(row)}: tickets are available again.`;
      if (count === null) offerReload(`${nameOf(row)}: tickets are available again.`);
    }
  }

  /** What the page has where it was made after the last ticket. @param {HTMLElement} row */
  function addWaitlist(row) {
    const words = document.createElement("p");
    const link = document.createElement("a");
    words.className = "small";
    words.append(Object.assign(document.createElement("b"), { textContent: "Sold out" }));
    link.className = "button short";
    const query = new URLSearchParams({ type: row.dataset.type ?? "" });
    const code = form.querySelector('input[name="code"]');
    if (code instanceof HTMLInputElement && code.defaultValue && !code.ariaInvalid) query.set("code", code.defaultValue);
    link.href = `/events/${form.dataset.live}/waitlist?${query}`;
    link.textContent = "Join the waitlist";
    for (const part of [words, link]) part.dataset.when = "sold_out";
    row.querySelector(".choose")?.append(words, link);
  }

  /** @param {HTMLInputElement} input @param {number} most @param {HTMLElement} row */
  function setMost(input, most, row) {
    let kept = true;
    input.max = String(most);
    if (Number(input.value) > most) {
      kept = false;
      input.value = String(most);
      const why = row.dataset.needs === undefined ? `only ${most} left` : `at most ${most} with these tickets`;
      if (most > 0 || row.dataset.needs !== undefined) {
        status.textContent = `${nameOf(row)}: ${why}, so your choice is ${most} now.`;
      }
    }
    input.dispatchEvent(new CustomEvent("input", { bubbles: true, detail: { kept } }));
  }

  /** Keeps add-ons within what the chosen tickets allow. @param {Event} [event] */
  function limitAddOns(event) {
    for (const row of form.querySelectorAll("[data-needs]")) {
      const input = row.querySelector("input[type=number]");
      if (input === null || input === event?.target) continue;
      // Another limit of an unchanged number is not a change of the tickets
      const changed = event !== undefined && !(event instanceof CustomEvent && event.detail?.kept);
      const most = mostOf(row, Number(row.dataset.limit), changed);
      if (Number(input.max) !== most) setMost(input, most, row);
    }
  }

  /**
   * How many may be chosen now: of an add-on, with the chosen tickets. What was typed before any ticket stays,
   * until somebody changes the tickets (`strict`).
   * @param {HTMLElement} row @param {number} limit
   */
  function mostOf(row, limit, strict = false) {
    if (row.dataset.needs === undefined) return limit;
    row.dataset.limit = String(limit);
    const tickets = row.dataset.needs
      .split(" ")
      .map((id) => Number(form.querySelector(`[data-type="${CSS.escape(id)}"] input[type=number]`)?.value ?? 0))
      .reduce((sum, count) => sum + count, 0);
    const input = row.querySelector("input[type=number]");
    const words = row.querySelector("[id$=-needs]")?.textContent ?? "";
    if (input !== null) input.dataset.why = tickets === 0 ? words : "";
    if (tickets === 0) return strict ? 0 : Math.min(limit, Number(input?.value ?? 0));
    return row.dataset.each ? Math.min(limit, tickets * Number(row.dataset.each)) : limit;
  }

  /** @param {HTMLElement} row */
  function nameOf(row) {
    return row.querySelector("h3, h4")?.textContent ?? "A ticket";
  }
}
