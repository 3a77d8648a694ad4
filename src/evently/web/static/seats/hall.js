// The seats of a hall in columns, decoded from the compact layout (evently.seating.compact), and their states.
// A seat is its number: its place in the layout.

export const FREE = 0;
export const TAKEN = 1;
export const NOT_FOR_SALE = 2;
/** Only organizers see these two; for buyers such seats are taken. */
export const HELD = 3;
export const BLOCKED = 4;

export const STANDARD = 0;
export const RESTRICTED_VIEW = 1;
export const ACCESSIBLE = 2;
export const COMPANION = 3;

const NOTES = ["", "restricted view", "wheelchair place", "companion seat"];
const NO_ZONE = 255;
const CELL_METRES = 2;
const CELLS_ACROSS = 8192;

/**
 * @typedef {{ id: string, name: string, amount: number, price: string, most: number }} ZoneType
 * @typedef {{ letter: string, colour: string, name: string, price: string, types: ZoneType[] }} Zone
 * @typedef {{ left: number, top: number, right: number, bottom: number }} Box
 * @typedef {{ label: string, section: number, first: number, end: number }} Row
 * @typedef {{ name: string, first: number, end: number, firstRow: number, endRow: number, box: Box }} Section
 * @typedef {{ kind: string, text: string, points: number[] }} Shape
 */

export class Hall {
  /**
   * @param {any} layout the compact layout
   * @param {Zone[]} zones
   */
  constructor(layout, zones) {
    this.zones = zones;
    this.size = countSeats(layout);
    this.x = new Float32Array(this.size);
    this.y = new Float32Array(this.size);
    this.kind = new Uint8Array(this.size);
    this.zone = new Uint8Array(this.size).fill(NO_ZONE);
    this.state = new Uint8Array(this.size);
    this.row = new Uint32Array(this.size);
    /** @type {string[]} */
    this.label = new Array(this.size);
    /** @type {string[]} */
    this.id = new Array(this.size);
    /** @type {Row[]} */
    this.rows = [];
    /** @type {Section[]} */
    this.sections = [];
    /** @type {Shape[]} */
    this.shapes = layout.shapes.map(([kind, text, points]) => ({ kind, text, points: points.map(toMetres) }));
    const [x, y] = layout.focal_point.map(toMetres);
    /** What people watch. */
    this.focus = { x, y };
    for (const [name, rows] of layout.sections) this.#addSection(name, rows);
    this.pitch = this.#medianGap();
    this.box = this.#wholeBox();
    this.#fillCells();
    this.numbers = null;
    /** @type {Set<number>} seats that the reader holds and has not paid */
    this.own = new Set();
  }

  #addSection(name, rows) {
    const first = this.rows.length ? this.rows[this.rows.length - 1].end : 0;
    const section = { name, first, end: first, firstRow: this.rows.length, endRow: 0, box: emptyBox() };
    this.sections.push(section);
    for (const row of rows) this.#addRow(section, row);
    section.endRow = this.rows.length;
  }

  #addRow(section, [label, labels, ids, stepsX, stepsY, kinds, zones]) {
    const first = section.end;
    const number = this.rows.length;
    const counts = typeof labels[0] === "number";
    let x = 0;
    let y = 0;
    for (let place = 0; place < stepsX.length; place += 1) {
      const seat = first + place;
      x += stepsX[place];
      y += stepsY[place];
      this.x[seat] = toMetres(x);
      this.y[seat] = toMetres(y);
      this.row[seat] = number;
      this.label[seat] = counts ? String(labels[0] + labels[1] * place) : labels[place];
      this.id[seat] = typeof ids === "string" ? ids + this.label[seat] : ids[place];
      if (kinds) this.kind[seat] = Number(kinds[place]);
      this.zone[seat] = (Array.isArray(zones) ? zones[place] : zones) ?? NO_ZONE;
      widen(section.box, this.x[seat], this.y[seat]);
    }
    section.end = first + stepsX.length;
    this.rows.push({ label, section: this.sections.length - 1, first, end: section.end });
  }

  #medianGap() {
    const gaps = [];
    for (const row of this.rows) {
      if (row.end - row.first > 1) gaps.push(this.distance(row.first, row.first + 1));
    }
    gaps.sort((one, other) => one - other);
    return gaps.length ? gaps[gaps.length >> 1] : 1;
  }

  #wholeBox() {
    const box = emptyBox();
    for (const section of this.sections) {
      widen(box, section.box.left, section.box.top);
      widen(box, section.box.right, section.box.bottom);
    }
    for (const shape of this.shapes) {
      for (let at = 0; at < shape.points.length; at += 2) widen(box, shape.points[at], shape.points[at + 1]);
    }
    return grow(box, this.pitch);
  }

  #fillCells() {
    /** @type {Map<number, number[]>} the seats of each square of two metres */
    this.cells = new Map();
    for (let seat = 0; seat < this.size; seat += 1) {
      const key = cellKey(Math.floor(this.x[seat] / CELL_METRES), Math.floor(this.y[seat] / CELL_METRES));
      const cell = this.cells.get(key);
      if (cell) cell.push(seat);
      else this.cells.set(key, [seat]);
    }
  }

  /**
   * Take the state of every seat, as the API sends them.
   * @param {string} characters
   */
  setStates(characters) {
    for (let seat = 0; seat < this.size; seat += 1) this.state[seat] = this.#stateOf(seat, characters[seat]);
  }

  /**
   * Take the state of every seat as organizers see it; return the seats whose state is another now.
   * @param {string} characters
   */
  setOrganizersStates(characters) {
    const states = { 0: FREE, s: TAKEN, h: HELD, b: BLOCKED };
    const changed = [];
    for (let seat = 0; seat < this.size; seat += 1) {
      const state = states[characters[seat]] ?? NOT_FOR_SALE;
      if (state === this.state[seat]) continue;
      this.state[seat] = state;
      changed.push(seat);
    }
    return changed;
  }

  /** Take the seats that the reader holds. @param {string[]} ids */
  setOwn(ids) {
    this.own = new Set(ids.map((id) => this.numberOf(id)).filter((seat) => seat !== undefined));
  }

  /** Whether a seat can be chosen. */
  hasFree() {
    return this.state.includes(FREE);
  }

  /**
   * Take changes, as the API sends them; return the seats whose state is another now.
   * @param {[number, string][]} changes
   */
  changeStates(changes) {
    const changed = [];
    for (const [seat, character] of changes) {
      const state = this.#stateOf(seat, character);
      if (state === this.state[seat]) continue;
      this.state[seat] = state;
      changed.push(seat);
    }
    return changed;
  }

  #stateOf(seat, character) {
    if (character === "1") return TAKEN;
    const sold = this.zone[seat] !== NO_ZONE && this.zones[this.zone[seat]].types.length > 0;
    return character === "0" && sold ? FREE : NOT_FOR_SALE;
  }

  /** Return the number of a seat, or undefined. @param {string} id */
  numberOf(id) {
    this.numbers ??= new Map(this.id.map((each, seat) => [each, seat]));
    return this.numbers.get(id);
  }

  /** @param {number} one @param {number} other */
  distance(one, other) {
    return Math.hypot(this.x[one] - this.x[other], this.y[one] - this.y[other]);
  }

  /**
   * Return the seat nearest to a place, at most so many metres away; -1 without one.
   * @param {number} x
   * @param {number} y
   * @param {number} reach
   */
  nearest(x, y, reach) {
    let found = -1;
    let least = reach;
    const right = Math.floor((x + reach) / CELL_METRES);
    const bottom = Math.floor((y + reach) / CELL_METRES);
    for (let column = Math.floor((x - reach) / CELL_METRES); column <= right; column += 1) {
      for (let line = Math.floor((y - reach) / CELL_METRES); line <= bottom; line += 1) {
        for (const seat of this.cells.get(cellKey(column, line)) ?? []) {
          const away = Math.hypot(this.x[seat] - x, this.y[seat] - y);
          if (away < least) {
            least = away;
            found = seat;
          }
        }
      }
    }
    return found;
  }

  /**
   * Return the free seat of the same zone that is nearest to a seat, its own section first; -1 without one.
   * @param {number} seat
   * @param {(other: number) => boolean} isChosen
   */
  nearestFree(seat, isChosen) {
    const section = this.sectionOf(seat);
    let found = -1;
    let least = Infinity;
    for (let other = 0; other < this.size; other += 1) {
      if (this.state[other] !== FREE || this.zone[other] !== this.zone[seat] || isChosen(other)) continue;
      if (this.kind[other] !== this.kind[seat]) continue;
      const elsewhere = other < section.first || other >= section.end;
      const away = this.distance(seat, other) + (elsewhere ? 1000 : 0);
      if (away < least) {
        least = away;
        found = other;
      }
    }
    return found;
  }

  /** @param {number} seat */
  sectionOf(seat) {
    return this.sections[this.sectionNumberOf(seat)];
  }

  /** @param {number} seat */
  sectionNumberOf(seat) {
    return this.rows[this.row[seat]].section;
  }

  /** The ticket type that a seat is booked as, unless its buyer says another. @param {number} seat */
  typeOf(seat) {
    return this.zone[seat] === NO_ZONE ? undefined : this.zones[this.zone[seat]].types[0];
  }

  /** Such as "Row C seat 12". @param {number} seat */
  placeOf(seat) {
    return `Row ${this.rows[this.row[seat]].label} seat ${this.label[seat]}`;
  }

  /** Such as "Stalls, row C, seat 12". @param {number} seat */
  nameOf(seat) {
    return `${this.sectionOf(seat).name}, row ${this.rows[this.row[seat]].label}, seat ${this.label[seat]}`;
  }

  /** Such as "€ 89.00, restricted view", or "taken". @param {number} seat */
  detailsOf(seat) {
    if (this.own.has(seat)) return "held for you";
    if (this.state[seat] === TAKEN) return "taken";
    if (this.state[seat] === NOT_FOR_SALE) return "not for sale";
    return [this.typeOf(seat).price, NOTES[this.kind[seat]]].filter(Boolean).join(", ");
  }

  /** Count what is free in a section, and find its lowest price. @param {number} number */
  summaryOf(number) {
    const { first, end } = this.sections[number];
    let free = 0;
    /** @type {ZoneType | null} */
    let cheapest = null;
    for (let seat = first; seat < end; seat += 1) {
      if (this.state[seat] !== FREE) continue;
      free += 1;
      for (const type of this.zones[this.zone[seat]].types) {
        if (cheapest === null || type.amount < cheapest.amount) cheapest = type;
      }
    }
    return { free, price: cheapest === null ? "" : cheapest.price };
  }
}

/** @param {any} layout */
function countSeats(layout) {
  let size = 0;
  for (const [, rows] of layout.sections) {
    for (const row of rows) size += row[3].length;
  }
  return size;
}

/** @param {number} centimetres */
function toMetres(centimetres) {
  return centimetres / 100;
}

function cellKey(column, line) {
  return column * CELLS_ACROSS + line;
}

/** @returns {Box} */
function emptyBox() {
  return { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
}

/** @param {Box} box @param {number} x @param {number} y */
function widen(box, x, y) {
  box.left = Math.min(box.left, x);
  box.right = Math.max(box.right, x);
  box.top = Math.min(box.top, y);
  box.bottom = Math.max(box.bottom, y);
}

/** @param {Box} box @param {number} by @returns {Box} */
export function grow(box, by) {
  return { left: box.left - by, top: box.top - by, right: box.right + by, bottom: box.bottom + by };
}
