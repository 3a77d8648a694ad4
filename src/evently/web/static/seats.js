// The map of a hall, beside the list that works without it. Choosing holds nothing: the form goes on from here.

import { FREE, Hall, grow } from "./seats/hall.js";
import { Choice } from "./seats/choice.js";
import { Panel, moneyLike } from "./seats/panel.js";
import { Picture } from "./seats/picture.js";
import { SeatList } from "./seats/list.js";
import { Suggestion } from "./seats/suggestion.js";
import { View } from "./seats/view.js";
import { followGestures } from "./seats/gestures.js";
import { Live } from "./seats/live.js";
import { OrphanWarning } from "./seats/orphans.js";
import { Held } from "./seats/held.js";

const REACH_PIXELS = 22;
const FAR_REACH_PIXELS = 60;
const EDGE_PIXELS = 36;
const CAME_MS = 8000; // for which a seat that came free is marked
const CAME_MAX = 40; // more are no news of single seats

const startedAt = performance.now();
const host = /** @type {HTMLElement} */ (document.querySelector("[data-seats]"));
start().catch(giveUp);

/** The list that the page came with still works. */
function giveUp(error) {
  host.hidden = true;
  console.error(error);
}

async function start() {
  let takeHeld = (/** @type {string[]} */ _ids) => {};
  const held = new Held(host.dataset.held, (ids) => takeHeld(ids));
  const reads = [read(host.dataset.layout), read(host.dataset.states), held.read()];
  const [layout, states, own] = await Promise.all(reads);
  if (states.layout.digest !== layout.digest) throw new Error("The layout has changed: the page is old");
  const hall = new Hall(layout, JSON.parse(host.dataset.zones));
  hall.setStates(states.seats);
  hall.setOwn(own);
  const showChoice = showMap(hall, states.seq, layout.digest);
  takeHeld = (ids) => {
    hall.setOwn(ids);
    showChoice();
  };
}

async function read(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  return response.json();
}

/**
 * @param {Hall} hall
 * @param {number} seq
 * @param {string} digest
 * @returns {() => void} what shows the seats of the reader again
 */
function showMap(hall, seq, digest) {
  const svg = /** @type {SVGSVGElement} */ (host.querySelector("svg.seat-picture"));
  const frame = /** @type {HTMLElement} */ (host.querySelector(".map-frame"));
  const tip = /** @type {HTMLElement} */ (host.querySelector("[data-tip]"));
  const said = /** @type {HTMLElement} */ (host.querySelector("[data-said]"));
  const lost = /** @type {HTMLElement} */ (host.querySelector("[data-lost]"));
  const form = /** @type {HTMLFormElement} */ (document.getElementById("choice"));
  const view = new View(hall.box, hall.pitch, () => picture.show());
  const picture = new Picture(svg, hall, view);
  let suggested = [];
  /** @type {Set<number>} seats that came free while the reader looked, for some seconds */
  const came = new Set();

  const choice = new Choice(hall, form);
  const money = moneyLike(host.dataset.zero);
  const sells = hall.zones.some((zone) => zone.types.length > 0);
  const parts = sells ? makeParts() : null;

  function makeParts() {
    const chosenHost = document.querySelector("[data-chosen]");
    const panel = new Panel(chosenHost, document.querySelectorAll("[data-continue]"), hall, choice, money);
    const open = hall.sections.findIndex((section) => section.name === host.dataset.section);
    choice.readForm();
    const list = new SeatList(document.querySelector("[data-list]"), hall, choice, {
      focus: follow,
      blur: () => picture.setFocused(-1),
      open: (number) => view.showBox(grow(hall.sections[number].box, hall.pitch)),
    });
    list.open(open);
    const suggestion = new Suggestion(
      document.querySelector("[data-best]"),
      document.querySelector("[data-suggestion]"),
      host.dataset.suggestions,
      hall,
      choice,
      money,
      { show: showSuggested },
    );
    const orphans = new OrphanWarning(document.querySelector("[data-orphans]"), host.dataset.rule, hall, choice);
    return { panel, list, suggestion, orphans };
  }

  choice.addEventListener("change", () => {
    parts.list.showChoice();
    showChoice();
    if (choice.refusal) said.textContent = choice.refusal;
  });

  function showChoice() {
    /** @type {Map<number, string>} */
    const marks = new Map([...came].map((seat) => [seat, "came"]));
    for (const seat of suggested) marks.set(seat, "suggested");
    for (const seat of hall.own) marks.set(seat, "yours held");
    for (const seat of choice.gone) marks.set(seat, "gone");
    for (const seat of choice.seats) marks.set(seat, "yours");
    picture.setMarks(marks);
    parts?.panel.show();
    parts?.orphans.look();
  }

  function showSuggested(seats) {
    suggested = seats;
    showChoice();
    if (seats.length === 0) return;
    view.showBox(boxOf(hall, seats));
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    host.scrollIntoView({ block: "nearest", behavior: calm ? "instant" : "smooth" });
  }

  /** The map follows the focus of the list. */
  function follow(seat) {
    picture.setFocused(seat);
    const { x, y } = view.toScreen(hall.x[seat], hall.y[seat]);
    const inside = x > EDGE_PIXELS && y > EDGE_PIXELS && x < view.width - EDGE_PIXELS && y < view.height - EDGE_PIXELS;
    if (!inside || !view.canChoose()) view.showPlace(hall.x[seat], hall.y[seat]);
  }

  followGestures(svg, view, { tap, hover, leave: () => hover(-1, -1) });

  /** From afar a tap comes nearer; a seat is chosen where it is large enough. */
  function tap(x, y) {
    const place = view.toHall(x, y);
    if (!view.canChoose()) {
      const near = hall.nearest(place.x, place.y, FAR_REACH_PIXELS / view.scale);
      if (near === -1) return false;
      view.showPlace(hall.x[near], hall.y[near]);
      parts?.list.open(hall.sectionNumberOf(near));
      return true;
    }
    const seat = hall.nearest(place.x, place.y, REACH_PIXELS / view.scale);
    if (seat === -1 || parts === null) return false;
    if (hall.state[seat] !== FREE) {
      said.textContent = `${hall.nameOf(seat)}: ${hall.detailsOf(seat)}.`;
      return true;
    }
    parts.list.open(hall.sectionNumberOf(seat));
    choice.toggle(seat);
    if (!choice.refusal) said.textContent = `${hall.nameOf(seat)} ${choice.has(seat) ? "chosen" : "not chosen"}.`;
    return true;
  }

  function hover(x, y) {
    const place = view.toHall(x, y);
    const near = x < 0 || view.seatPixels() < 8 ? -1 : hall.nearest(place.x, place.y, REACH_PIXELS / view.scale);
    if (near === picture.hovered) return;
    picture.setHovered(near);
    svg.classList.toggle("pointing", near !== -1 && hall.state[near] === FREE);
    tip.hidden = near === -1;
    if (near === -1) return;
    tip.textContent = `${hall.nameOf(near)}, ${hall.detailsOf(near)}`;
    const at = view.toScreen(hall.x[near], hall.y[near]);
    const half = tip.offsetWidth / 2;
    tip.style.left = `${Math.min(Math.max(at.x, half + 4), view.width - half - 4)}px`;
    tip.style.top = `${at.y < 72 ? at.y + 24 : at.y - 24 - tip.offsetHeight}px`;
  }

  for (const button of host.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => {
      const factor = Number(button.getAttribute("data-zoom"));
      if (factor === 0) view.showWhole();
      else view.zoom(factor);
    });
  }

  const chips = [...document.querySelectorAll("[data-zone-chip]")];
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      const pressed = chip.getAttribute("aria-pressed") === "true";
      for (const other of chips) other.setAttribute("aria-pressed", String(other === chip && !pressed));
      const letter = chip.getAttribute("data-zone-chip");
      picture.showOnly(pressed ? -1 : hall.zones.findIndex((zone) => zone.letter === letter));
    });
  }

  const addresses = { states: host.dataset.states, stream: host.dataset.stream };
  const soldOut = /** @type {HTMLElement} */ (host.querySelector("[data-sold-out]"));

  /** What a page cannot sell that was made when all was sold, and what it can sell no more. */
  function showWhetherSoldOut(changes) {
    if (sells && hall.hasFree()) {
      soldOut.replaceChildren();
    } else if (sells && soldOut.childElementCount === 0) {
      const words = "Every seat is taken now. When one comes free, the map shows it at once. ";
      soldOut.replaceChildren(words, linkTo(location.pathname.replace(/seats\/?$/, "waitlist"), "Join the waitlist"));
    } else if (!sells && changes !== null && changes.some(([, character]) => character === "0")) {
      soldOut.replaceChildren("Seats came free a moment ago. ", linkTo(location.pathname, "Show them"));
    }
  }

  function markCame(changed) {
    const seats = changed.filter((seat) => hall.state[seat] === FREE);
    if (seats.length === 0 || seats.length > CAME_MAX) return;
    for (const seat of seats) came.add(seat);
    setTimeout(() => {
      for (const seat of seats) came.delete(seat);
      showChoice();
    }, CAME_MS);
  }

  new Live(addresses, { seq, digest }, {
    changed(changes, seats) {
      const news = changes ?? [...seats].map((character, seat) => [seat, character]);
      const changed = hall.changeStates(/** @type {[number, string][]} */ (news));
      if (changed.length > 0) showNews(changed);
      showWhetherSoldOut(changes);
    },
    seen(secondsAgo) {
      lost.hidden = secondsAgo === null;
      if (secondsAgo !== null) lost.textContent = `No connection. Updated ${secondsAgo} s ago.`;
    },
    replaced() {
      location.reload();
    },
  });

  function showNews(changed) {
    for (const number of new Set(changed.map((seat) => hall.sectionNumberOf(seat)))) picture.drawSection(number);
    for (const seat of changed) came.delete(seat);
    markCame(changed);
    if (parts === null) return;
    const goneSuggestion = suggested.some((seat) => hall.state[seat] !== FREE);
    const gone = choice.notice(changed);
    parts.list.showChanges(changed);
    if (goneSuggestion) parts.suggestion.clear();
    if (gone.length > 0) {
      const names = gone.map((seat) => hall.nameOf(seat)).join(" and ");
      said.textContent = `${names} ${gone.length === 1 ? "was" : "were"} taken a moment ago.`;
    }
    if (gone.length === 0) showChoice();
  }

  new ResizeObserver(([entry]) => {
    view.resize(entry.contentRect.width, entry.contentRect.height);
  }).observe(frame);
  view.resize(frame.clientWidth, frame.clientHeight);
  picture.show();
  showChoice();
  requestAnimationFrame(() => {
    host.dataset.ready = String(Math.round(performance.now() - startedAt));
  });
  return showChoice;
}

/** @param {Hall} hall @param {number[]} seats */
function boxOf(hall, seats) {
  const across = seats.map((seat) => hall.x[seat]);
  const down = seats.map((seat) => hall.y[seat]);
  const box = {
    left: Math.min(...across),
    right: Math.max(...across),
    top: Math.min(...down),
    bottom: Math.max(...down),
  };
  return grow(box, hall.pitch * 4);
}

/** @param {string} address @param {string} text */
function linkTo(address, text) {
  const link = document.createElement("a");
  link.href = address;
  link.textContent = text;
  return link;
}
