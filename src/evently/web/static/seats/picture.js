// Draws the hall as SVG with few elements: for each section one path for each zone, kind and state. A seat is a
// line of no length with round or square ends. To zoom or pan changes one attribute.

import { ACCESSIBLE, BLOCKED, COMPANION, FREE, HELD, RESTRICTED_VIEW, TAKEN } from "./hall.js";

/** @typedef {import("./hall.js").Hall} Hall */
/** @typedef {import("./view.js").View} View */

const SVG = "http://www.w3.org/2000/svg";
const SEAT_SHARE = 0.84; // of the distance from seat to seat
const SQUARE_SHARE = 0.74; // a square looks larger than a disc
const HOLE_SHARE = 0.44;
const SHAPES_FROM_PIXELS = 4.5;
const ROWS_FROM_PIXELS = 11;
const NUMBERS_FROM_PIXELS = 15;
const SETTLED_MS = 90;
const NUMBERS_MAX = 900;
const NAME_BESIDE_PIXELS = 15; // from the last row to a name behind it
const NAME_PIXELS = 13;
const NAME_CHARACTER_PIXELS = 7.6;
const RING = 1.16;
const TICK = "M-.45 .02l.32 .34l.6-.68";
const CROSS = "M-.42-.42l.84 .84m0-.84l-.84 .84";
const MARK_PIXELS = 7; // of a chosen seat, at least, so that it is seen in the whole hall

export class Picture {
  /**
   * @param {SVGSVGElement} svg
   * @param {Hall} hall
   * @param {View} view
   */
  constructor(svg, hall, view) {
    this.svg = svg;
    this.hall = hall;
    this.view = view;
    this.seatSize = hall.pitch * SEAT_SHARE;
    this.onlyZone = -1;
    this.hovered = -1;
    this.focused = -1;
    /** @type {Map<number, SVGElement>} */
    this.marks = new Map();
    this.settling = 0;
    this.focus = hall.focus;
    this.world = draw("g", {}, svg);
    this.#drawShapes(draw("g", { class: "shapes" }, this.world));
    this.selection = draw("path", { class: "selection", fill: "none" }, this.world);
    const seats = draw("g", { class: "seats", fill: "none" }, this.world);
    this.sectionGroups = hall.sections.map(() => draw("g", {}, seats));
    this.texts = draw("g", { class: "texts" }, this.world);
    this.markGroup = draw("g", { class: "marks" }, this.world);
    const rings = draw("g", { class: "rings", fill: "none" }, this.world);
    this.hoverRing = draw("circle", { class: "hovered", visibility: "hidden" }, rings);
    this.focusRing = draw("circle", { class: "focused", visibility: "hidden" }, rings);
    this.names = draw("g", { class: "names" }, this.world);
    this.nameList = this.#drawNames();
    for (let number = 0; number < hall.sections.length; number += 1) this.drawSection(number);
  }

  #drawShapes(group) {
    for (const { kind, points } of this.hall.shapes) {
      if (kind !== "text") draw("path", { class: kind, d: outline(points) }, group);
    }
  }

  /** Names of what is drawn and of the sections. Where two would overlap, the first one stays. */
  #drawNames() {
    const found = [];
    for (const { kind, text, points } of this.hall.shapes) {
      if (text === "") continue;
      const { x, y } = kind === "text" ? { x: points[0], y: points[1] } : centre(points);
      found.push({ element: this.#drawName(text, kind), text, x, y, weight: Infinity, behind: null });
    }
    for (const section of this.hall.sections) {
      const { left, right, top, bottom } = section.box;
      const element = this.#drawName(section.name, "section-name");
      const weight = (right - left) * (bottom - top);
      found.push({ element, text: section.name, weight, ...this.#placeOfName(section) });
    }
    return found.sort((one, other) => other.weight - one.weight);
  }

  /** Over the middle of a section from afar, if there is room; else behind its last row, seen from its first. */
  #placeOfName(section) {
    const middle = this.#middleOf((section.firstRow + section.endRow) >> 1);
    const front = this.#middleOf(section.firstRow);
    const last = this.#middleOf(section.endRow - 1);
    const from = section.endRow - section.firstRow > 1 ? front : this.focus;
    const away = Math.hypot(last.x - from.x, last.y - from.y) || 1;
    const behind = { ...last, alongX: (last.x - from.x) / away, alongY: (last.y - from.y) / away };
    const { left, right } = section.box;
    return { ...middle, behind, width: right - left };
  }

  #middleOf(number) {
    const row = this.hall.rows[number];
    const seat = (row.first + row.end) >> 1;
    return { x: this.hall.x[seat], y: this.hall.y[seat] };
  }

  #drawName(text, kind) {
    const element = draw("text", { class: kind }, this.names);
    element.textContent = text;
    return element;
  }

  /** Draw the seats of a section again. @param {number} number */
  drawSection(number) {
    const { hall, seatSize } = this;
    const { first, end } = hall.sections[number];
    /** @type {Map<string, { attributes: Record<string, string | number>, parts: string[] }>} */
    const paths = new Map();
    const add = (key, attributes, part) => {
      const path = paths.get(key);
      if (path) path.parts.push(part);
      else paths.set(key, { attributes, parts: [part] });
    };
    for (let seat = first; seat < end; seat += 1) {
      const x = hall.x[seat].toFixed(2);
      const y = hall.y[seat].toFixed(2);
      const dot = `M${x} ${y}h.001`;
      if (hall.state[seat] === FREE) {
        const kind = hall.kind[seat];
        const zone = hall.zone[seat];
        const square = kind === ACCESSIBLE || kind === COMPANION;
        const size = seatSize * (square ? SQUARE_SHARE : 1);
        const ends = square ? "square" : "round";
        const name = `free zone-${hall.zones[zone].colour}${this.#isDimmed(zone) ? " dim" : ""}`;
        add(
          `1 ${zone} ${kind}`,
          { class: name, "data-zone": zone, "stroke-width": size, "stroke-linecap": ends },
          dot,
        );
        if (kind === RESTRICTED_VIEW || kind === COMPANION) {
          add(`2 ${kind}`, { class: "hole", "stroke-width": size * HOLE_SHARE, "stroke-linecap": ends }, dot);
        }
      } else if (hall.state[seat] === TAKEN) {
        const arm = seatSize * 0.22;
        const cross = `M${(hall.x[seat] - arm).toFixed(2)} ${(hall.y[seat] - arm).toFixed(2)}l${crossOf(arm)}`;
        add("0 dot", { class: "taken dot", "stroke-width": seatSize * 0.6, "stroke-linecap": "round" }, dot);
        add("0 cross", { class: "taken cross", "stroke-width": seatSize * 0.11 }, cross);
      } else if (hall.state[seat] === HELD) {
        add("0 held", { class: "held-seat", "stroke-width": seatSize, "stroke-linecap": "round" }, dot);
        add("1 held", { class: "hole", "stroke-width": seatSize * 0.5, "stroke-linecap": "round" }, dot);
      } else if (hall.state[seat] === BLOCKED) {
        const half = seatSize * 0.26;
        const bar = `M${(hall.x[seat] - half).toFixed(2)} ${y}h${(half * 2).toFixed(2)}`;
        add("0 blocked", { class: "blocked", "stroke-width": seatSize * 0.8, "stroke-linecap": "square" }, dot);
        add("1 blocked", { class: "blocked-bar", "stroke-width": seatSize * 0.16 }, bar);
      } else {
        add("0 closed", { class: "closed", "stroke-width": seatSize * 0.3, "stroke-linecap": "round" }, dot);
      }
    }
    const drawn = [...paths.keys()].sort().map((key) => {
      const { attributes, parts } = paths.get(key);
      return draw("path", { ...attributes, d: parts.join("") });
    });
    this.sectionGroups[number].replaceChildren(...drawn);
  }

  #isDimmed(zone) {
    return this.onlyZone !== -1 && this.onlyZone !== zone;
  }

  /** Dim the seats of all other zones; -1 dims none. @param {number} zone */
  showOnly(zone) {
    this.onlyZone = zone;
    for (const path of this.world.querySelectorAll("path[data-zone]")) {
      path.classList.toggle("dim", this.#isDimmed(Number(path.getAttribute("data-zone"))));
    }
  }

  /**
   * Mark seats: `yours`, `yours held` (not paid yet), `suggested`, `came` (free a moment ago), or `gone`, which
   * were chosen and then taken.
   * @param {Map<number, string>} wanted
   */
  setMarks(wanted) {
    for (const mark of this.marks.values()) mark.remove();
    this.marks.clear();
    for (const [seat, kind] of wanted) {
      const mark = draw("g", { class: `mark ${kind}` }, this.markGroup);
      this.marks.set(seat, mark);
      draw("circle", { r: RING, class: "ring" }, mark);
      if (kind === "came") continue;
      draw("circle", { r: 0.94, class: "disc" }, mark);
      if (kind === "suggested") draw("text", { "font-size": 0.92 }, mark).textContent = this.hall.label[seat];
      else draw("path", { d: kind === "gone" ? CROSS : TICK }, mark);
    }
    this.#placeMarks();
    this.#settleSoon();
  }

  /** Draw a wide line around chosen seats, however many. @param {Iterable<number>} seats */
  setSelection(seats) {
    const parts = [];
    for (const seat of seats) parts.push(`M${this.hall.x[seat].toFixed(2)} ${this.hall.y[seat].toFixed(2)}h.001`);
    this.selection.setAttribute("d", parts.join(""));
    this.selection.setAttribute("stroke-width", String(this.hall.pitch * 1.12));
  }

  /** @param {number} seat or -1 */
  setHovered(seat) {
    this.hovered = seat;
    this.#placeRings();
  }

  /** @param {number} seat or -1 */
  setFocused(seat) {
    this.focused = seat;
    this.#placeRings();
  }

  /** Show what the view has become. */
  show() {
    const { scale, left, top } = this.view;
    this.world.setAttribute("transform", `matrix(${scale} 0 0 ${scale} ${left} ${top})`);
    const pixels = this.seatSize * scale;
    this.svg.classList.toggle("far", pixels < SHAPES_FROM_PIXELS);
    this.svg.classList.toggle("near", pixels >= ROWS_FROM_PIXELS);
    this.names.setAttribute("font-size", String(NAME_PIXELS / scale));
    this.names.setAttribute("stroke-width", String(3.5 / scale));
    this.#placeNames(pixels);
    this.#placeMarks();
    this.#placeRings();
    this.#settleSoon();
  }

  /** Names that would overlap a more important one are left out, and those that the edge would cut. */
  #placeNames(pixels) {
    const { scale } = this.view;
    const { left, right } = this.view.box();
    const shown = [];
    for (const name of this.nameList) {
      const { x, y } = this.#nameAt(name, pixels);
      const across = ((name.text.length * NAME_CHARACTER_PIXELS) / 2 + 4) / scale;
      const down = (NAME_PIXELS * 0.75) / scale;
      const overlaps = shown.some(
        (other) => Math.abs(other.x - x) < other.across + across && Math.abs(other.y - y) < other.down + down,
      );
      const hidden = overlaps || x - across < left || x + across > right;
      name.element.setAttribute("visibility", hidden ? "hidden" : "visible");
      if (hidden) continue;
      shown.push({ x, y, across, down });
      name.element.setAttribute("x", String(x));
      name.element.setAttribute("y", String(y));
    }
  }

  #nameAt({ x, y, text, behind, width }, pixels) {
    const { scale } = this.view;
    const half = (text.length * NAME_CHARACTER_PIXELS) / 2;
    if (behind === null || (pixels < SHAPES_FROM_PIXELS && width * scale > half * 2)) return { x, y };
    const reach = this.seatSize / 2 + (NAME_BESIDE_PIXELS + half * Math.abs(behind.alongX)) / scale;
    return { x: behind.x + behind.alongX * reach, y: behind.y + behind.alongY * reach };
  }

  #placeMarks() {
    const size = Math.max(this.seatSize * 0.5, MARK_PIXELS / this.view.scale);
    for (const [seat, mark] of this.marks) {
      const { x, y } = { x: this.hall.x[seat], y: this.hall.y[seat] };
      mark.setAttribute("transform", `translate(${x} ${y}) scale(${size})`);
    }
  }

  #placeRings() {
    const radius = Math.max(this.seatSize * 0.5, MARK_PIXELS / this.view.scale);
    for (const [ring, seat, pixels] of [
      [this.hoverRing, this.hovered, 2],
      [this.focusRing, this.focused, 3],
    ]) {
      ring.setAttribute("visibility", seat === -1 ? "hidden" : "visible");
      if (seat === -1) continue;
      const width = pixels / this.view.scale;
      ring.setAttribute("cx", String(this.hall.x[seat]));
      ring.setAttribute("cy", String(this.hall.y[seat]));
      ring.setAttribute("r", String(radius * RING + width));
      ring.setAttribute("stroke-width", String(width));
    }
  }

  #settleSoon() {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.#drawTexts(), SETTLED_MS);
  }

  /** Row names and seat numbers, of what is on the screen only. */
  #drawTexts() {
    const { hall, view, seatSize } = this;
    const pixels = seatSize * view.scale;
    const texts = [];
    if (pixels >= ROWS_FROM_PIXELS) {
      const screen = view.box();
      this.texts.setAttribute("font-size", String(seatSize * 0.46));
      for (const section of hall.sections) {
        if (!touches(section.box, screen, hall.pitch)) continue;
        for (let row = section.firstRow; row < section.endRow; row += 1) {
          texts.push(...this.#rowNames(hall.rows[row]));
          if (pixels >= NUMBERS_FROM_PIXELS) this.#addNumbers(hall.rows[row], screen, texts);
        }
      }
    }
    this.texts.replaceChildren(...texts);
  }

  /** The name of a row stands at both of its ends, in the direction of the row. */
  #rowNames(row) {
    const { hall } = this;
    const last = row.end - 1;
    const beside = (seat, next) => {
      const gap = seat === next ? 1 : hall.distance(seat, next);
      const alongX = seat === next ? -1 : (hall.x[seat] - hall.x[next]) / gap;
      const alongY = seat === next ? 0 : (hall.y[seat] - hall.y[next]) / gap;
      const x = hall.x[seat] + alongX * hall.pitch * 0.95;
      const y = hall.y[seat] + alongY * hall.pitch * 0.95;
      const name = draw("text", { class: "row-name", x, y });
      name.textContent = row.label;
      return name;
    };
    const names = [beside(row.first, Math.min(row.first + 1, last))];
    if (last > row.first) names.push(beside(last, last - 1));
    return names;
  }

  /** Whether a mark covers the number of a seat. */
  #hides(seat) {
    return this.marks.has(seat) && !this.marks.get(seat).classList.contains("came");
  }

  #addNumbers(row, screen, texts) {
    const { hall } = this;
    for (let seat = row.first; seat < row.end && texts.length < NUMBERS_MAX; seat += 1) {
      const x = hall.x[seat];
      const y = hall.y[seat];
      if (x < screen.left || x > screen.right || y < screen.top || y > screen.bottom) continue;
      if (hall.state[seat] !== FREE || this.#hides(seat)) continue;
      const hollow = hall.kind[seat] === RESTRICTED_VIEW || hall.kind[seat] === COMPANION;
      const name = hollow ? "number" : `number on-${hall.zones[hall.zone[seat]].colour}`;
      const dimmed = this.#isDimmed(hall.zone[seat]) ? " dim" : "";
      const number = draw("text", { class: name + dimmed, x, y });
      number.textContent = hall.label[seat];
      texts.push(number);
    }
  }
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {Element} [parent]
 * @returns {SVGElement}
 */
function draw(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  parent?.append(element);
  return element;
}

/** @param {number[]} points */
function outline(points) {
  const pairs = [];
  for (let at = 0; at < points.length; at += 2) pairs.push(`${points[at]} ${points[at + 1]}`);
  return `M${pairs.join("L")}Z`;
}

/** @param {number[]} points */
function centre(points) {
  const across = points.filter((_, index) => index % 2 === 0);
  const down = points.filter((_, index) => index % 2 === 1);
  const middle = (values) => (Math.min(...values) + Math.max(...values)) / 2;
  return { x: middle(across), y: middle(down) };
}

function crossOf(arm) {
  const across = (arm * 2).toFixed(2);
  return `${across} ${across}m0-${across}l-${across} ${across}`;
}

function touches(one, other, by) {
  const across = one.left - by < other.right && one.right + by > other.left;
  return across && one.top - by < other.bottom && one.bottom + by > other.top;
}
