// The map of an event at the desk: its zones, who has which seat, live; a lasso chooses seats for the forms below.

import { BLOCKED, FREE, HELD, Hall, TAKEN } from "./seats/hall.js";
import { Lasso } from "./seats/lasso.js";
import { Picture } from "./seats/picture.js";
import { View } from "./seats/view.js";
import { followGestures } from "./seats/gestures.js";

const REACH_PIXELS = 22;
const READ_AGAIN_MS = 1000; // at most so often, while others buy
const LOOK_MS = 15_000; // without a stream
const WORDS = { [FREE]: "free", [TAKEN]: "sold", [HELD]: "held", [BLOCKED]: "blocked" };

const host = /** @type {HTMLElement} */ (document.querySelector("[data-desk-seats]"));
start().catch((error) => {
  host.hidden = true; // the forms below still work
  console.error(error);
});

async function start() {
  const [layout, states] = await Promise.all([read(host.dataset.layout), read(host.dataset.states)]);
  if (states.digest !== layout.digest) throw new Error("The layout has changed: the page is old");
  const hall = new Hall(layout, JSON.parse(host.dataset.zones));
  hall.setOrganizersStates(states.seats);
  showMap(hall, states);
}

async function read(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  return response.json();
}

function showMap(hall, first) {
  const svg = /** @type {SVGSVGElement} */ (host.querySelector("svg.seat-picture"));
  const frame = /** @type {HTMLElement} */ (host.querySelector(".map-frame"));
  const tip = /** @type {HTMLElement} */ (host.querySelector("[data-tip]"));
  const said = /** @type {HTMLElement} */ (host.querySelector("[data-said]"));
  const lost = /** @type {HTMLElement} */ (host.querySelector("[data-lost]"));
  const form = /** @type {HTMLFormElement | null} */ (document.querySelector("[data-choice]"));
  const view = new View(hall.box, hall.pitch, () => picture.show());
  const picture = new Picture(svg, hall, view);
  /** @type {Set<number>} */
  const chosen = new Set();
  const choosing = form === null ? null : connectForm(form);

  function tool() {
    const checked = /** @type {HTMLInputElement | null} */ (host.querySelector('[name="tool"]:checked'));
    return form === null || checked === null ? "move" : checked.value;
  }

  followGestures(svg, view, { tap, hover, leave: () => hover(-1, -1) });
  new Lasso(frame, {
    active: () => tool() !== "move",
    caught(inside, _points, more) {
      const caught = [];
      for (let seat = 0; seat < hall.size; seat += 1) {
        const at = view.toScreen(hall.x[seat], hall.y[seat]);
        if (inside(at.x, at.y)) caught.push(seat);
      }
      if (!more) chosen.clear();
      for (const seat of tool() === "rows" ? wholeRows(caught) : caught) chosen.add(seat);
      choosing?.show();
    },
  });

  function wholeRows(seats) {
    const rows = new Set(seats.map((seat) => hall.row[seat]));
    return [...rows].flatMap((row) => range(hall.rows[row].first, hall.rows[row].end));
  }

  function tap(x, y) {
    if (choosing === null) return false;
    const place = view.toHall(x, y);
    const seat = hall.nearest(place.x, place.y, REACH_PIXELS / view.scale);
    if (seat === -1 || (tool() !== "rows" && view.seatPixels() < 8)) return false;
    const seats = tool() === "rows" ? wholeRows([seat]) : [seat];
    const add = !chosen.has(seat);
    for (const each of seats) {
      if (add) chosen.add(each);
      else chosen.delete(each);
    }
    choosing.show();
    return true;
  }

  function hover(x, y) {
    const place = view.toHall(x, y);
    const near = x < 0 || view.seatPixels() < 8 ? -1 : hall.nearest(place.x, place.y, REACH_PIXELS / view.scale);
    if (near === picture.hovered) return;
    picture.setHovered(near);
    tip.hidden = near === -1;
    if (near === -1) return;
    const zone = hall.zones[hall.zone[near]];
    tip.textContent = [hall.nameOf(near), zone?.name ?? "in no zone", WORDS[hall.state[near]]].filter(Boolean).join(", ");
    const at = view.toScreen(hall.x[near], hall.y[near]);
    const half = tip.offsetWidth / 2;
    tip.style.left = `${Math.min(Math.max(at.x, half + 4), view.width - half - 4)}px`;
    tip.style.top = `${at.y < 72 ? at.y + 24 : at.y - 24 - tip.offsetHeight}px`;
  }

  /** The check boxes and the ids of the form are one choice with the map. @param {HTMLFormElement} choice */
  function connectForm(choice) {
    const ids = /** @type {HTMLTextAreaElement} */ (choice.elements.namedItem("seats"));
    const boxes = /** @type {HTMLInputElement[]} */ ([
      ...choice.querySelectorAll('input[name="section"], input[name="row"]'),
    ]);
    const rows = new Map();
    const sections = new Map(hall.sections.map((section) => [section.name, range(section.first, section.end)]));
    // The check boxes of rows stand in the order of the hall
    const rowBoxes = boxes.filter((box) => box.name === "row");
    rowBoxes.forEach((box, number) => rows.set(box.value, range(hall.rows[number].first, hall.rows[number].end)));
    const seatsOf = (box) => (box.name === "section" ? sections.get(box.value) : rows.get(box.value)) ?? [];
    for (const box of boxes) {
      if (box.checked) for (const seat of seatsOf(box)) chosen.add(seat);
      box.addEventListener("change", () => {
        for (const seat of seatsOf(box)) {
          if (box.checked) chosen.add(seat);
          else chosen.delete(seat);
        }
        show();
      });
    }
    readIds();
    ids.addEventListener("change", () => {
      readIds();
      show();
    });
    choice.addEventListener("submit", writeIds);

    function readIds() {
      for (const id of ids.value.split("\n")) {
        const seat = hall.numberOf(id.trim());
        if (seat !== undefined) chosen.add(seat);
      }
    }

    /** What is chosen goes as ids alone: a section of which one seat was taken out is no section. */
    function writeIds() {
      for (const box of boxes) box.disabled = true;
      ids.value = [...chosen].map((seat) => hall.id[seat]).join("\n");
      setTimeout(() => {
        for (const box of boxes) box.disabled = false;
      });
    }

    function show() {
      picture.setSelection(chosen);
      ids.value = "";
      for (const box of boxes) {
        const seats = seatsOf(box);
        const count = seats.reduce((sum, seat) => sum + Number(chosen.has(seat)), 0);
        box.checked = seats.length > 0 && count === seats.length;
        box.indeterminate = count > 0 && count < seats.length;
      }
      said.textContent = describe();
    }

    function describe() {
      if (chosen.size === 0) return "Nothing is chosen.";
      const counts = new Map();
      for (const seat of chosen) {
        const word = WORDS[hall.state[seat]] ?? "in no zone";
        counts.set(word, (counts.get(word) ?? 0) + 1);
      }
      const parts = [...counts].map(([word, count]) => `${count.toLocaleString("en")} ${word}`);
      return `${chosen.size.toLocaleString("en")} ${chosen.size === 1 ? "seat" : "seats"} chosen: ${parts.join(", ")}.`;
    }

    addEventListener("keydown", (event) => {
      const inside = event.target instanceof Element && event.target.closest("input, textarea, select") !== null;
      if (event.key !== "Escape" || inside || chosen.size === 0) return;
      chosen.clear();
      show();
    });
    return { show };
  }

  for (const button of host.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => {
      const factor = Number(button.getAttribute("data-zoom"));
      if (factor === 0) view.showWhole();
      else view.zoom(factor);
    });
  }

  followSale(first, (states) => {
    const changed = hall.setOrganizersStates(states.seats);
    for (const number of new Set(changed.map((seat) => hall.sectionNumberOf(seat)))) picture.drawSection(number);
    showCounts(states.zones);
    if (changed.length > 0 && chosen.size > 0) choosing?.show();
  }, lost);

  new ResizeObserver(([entry]) => view.resize(entry.contentRect.width, entry.contentRect.height)).observe(frame);
  view.resize(frame.clientWidth, frame.clientHeight);
  picture.show();
  choosing?.show();
  document.querySelector("[data-sections]")?.removeAttribute("open"); // what to do stands below the map at once
  requestAnimationFrame(() => {
    host.dataset.ready = "";
  });
}

/** The stream says that something has changed; what, the organizer's own address says, at most once a second. */
function followSale(first, changed, lost) {
  let seq = first.seq;
  let readAt = 0;
  let waiting = 0;
  let heardAt = performance.now();
  if (host.dataset.stream) {
    const stream = new EventSource(`${host.dataset.stream}?since=${seq}`);
    for (const kind of ["snapshot", "changes"]) stream.addEventListener(kind, readSoon);
  }
  setInterval(() => {
    if (!document.hidden) readSoon();
  }, LOOK_MS);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) readSoon();
  });

  function readSoon() {
    if (waiting !== 0 || document.hidden) return;
    waiting = setTimeout(readNow, Math.max(0, readAt + READ_AGAIN_MS - performance.now()));
  }

  async function readNow() {
    readAt = performance.now();
    try {
      const states = await read(host.dataset.states);
      heardAt = performance.now();
      lost.hidden = true;
      if (states.digest !== first.digest) {
        lost.hidden = false;
        lost.textContent = "The zones were changed. Load the page again to see them.";
      } else if (states.seq !== seq) {
        seq = states.seq;
        changed(states);
      }
    } catch {
      lost.hidden = false;
      lost.textContent = `No connection. Updated ${Math.round((performance.now() - heardAt) / 1000)} s ago.`;
    }
    waiting = 0;
  }
}

function showCounts(zones) {
  zones.forEach((counts, number) => {
    const row = document.querySelector(`[data-zone-row="${number}"]`);
    for (const cell of row?.querySelectorAll("[data-count]") ?? []) {
      const text = counts[cell.dataset.count].toLocaleString("en");
      if (cell.textContent !== text) cell.textContent = text;
    }
  });
}

/** @param {number} first @param {number} end */
function range(first, end) {
  return Array.from({ length: end - first }, (_, place) => first + place);
}
