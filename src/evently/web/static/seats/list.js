// The list beside the map: a section, then its rows as one grid of check boxes with one tab stop. Arrows move over
// taken seats; up and down go to the seat that is nearest in space. The map follows the focus.

import { FREE } from "./hall.js";

/** @typedef {import("./hall.js").Hall} Hall */
/** @typedef {import("./choice.js").Choice} Choice */

export class SeatList {
  /**
   * @param {HTMLElement} host is filled with a select and the rows
   * @param {Hall} hall
   * @param {Choice} choice
   * @param {{ focus: (seat: number) => void, blur: () => void, open: (section: number) => void }} told
   */
  constructor(host, hall, choice, told) {
    this.hall = hall;
    this.choice = choice;
    this.told = told;
    /** @type {Map<number, HTMLElement>} */
    this.cells = new Map();
    this.tabStop = -1;
    this.select = document.createElement("select");
    this.select.id = "list-section";
    this.select.addEventListener("change", () => {
      this.open(Number(this.select.value));
      if (Number(this.select.value) !== -1) told.open(Number(this.select.value));
    });
    this.grid = document.createElement("div");
    this.grid.className = "seat-grid stack tight";
    this.grid.id = "rows";
    this.grid.addEventListener("keydown", (event) => this.#onKey(event));
    this.grid.addEventListener("change", (event) => this.#onChange(event));
    this.grid.addEventListener("focusin", (event) => this.#onFocus(event));
    this.grid.addEventListener("focusout", () => told.blur());
    host.replaceChildren(labelled(this.select, "Section"), this.grid);
    this.showSections();
  }

  /** Show free counts and lowest prices anew. */
  showSections() {
    const chosen = this.choice.openSection;
    const options = [new Option("Choose a section", "-1")];
    this.hall.sections.forEach((section, number) => {
      const { free, price } = this.hall.summaryOf(number);
      const text = free === 0 ? `${section.name}, sold out` : `${section.name}, ${free} free, from ${price}`;
      const option = new Option(text, String(number));
      option.disabled = free === 0 && number !== chosen;
      options.push(option);
    });
    this.select.replaceChildren(...options);
    this.select.value = String(chosen);
  }

  /** Show the rows of a section; -1 shows none. @param {number} number */
  open(number) {
    if (number === this.choice.openSection && this.cells.size > 0) return;
    this.choice.setOpenSection(number);
    this.select.value = String(number);
    this.cells.clear();
    this.grid.replaceChildren();
    this.grid.toggleAttribute("role", false);
    if (number === -1) return;
    const section = this.hall.sections[number];
    this.grid.setAttribute("role", "grid");
    this.grid.setAttribute("aria-label", `Seats of section ${section.name}`);
    this.grid.setAttribute("aria-multiselectable", "true");
    const rows = [];
    for (let row = section.firstRow; row < section.endRow; row += 1) rows.push(this.#makeRow(row));
    this.grid.append(...rows);
    this.#placeTabStop();
  }

  #makeRow(number) {
    const { label, first, end } = this.hall.rows[number];
    const row = make("div", "seat-row", { role: "row" });
    const header = make("span", "row-label", { role: "rowheader" });
    header.textContent = `Row ${label}`;
    const seats = make("div", "seat-list", { role: "presentation" });
    for (let seat = first; seat < end; seat += 1) {
      const cell = make("span", "seat-box", { role: "gridcell" });
      this.cells.set(seat, cell);
      this.#fillCell(seat);
      seats.append(cell);
    }
    row.append(header, seats);
    return row;
  }

  #fillCell(seat) {
    const cell = this.cells.get(seat);
    const free = this.hall.state[seat] === FREE;
    cell.classList.toggle("gone", !free);
    cell.setAttribute("aria-selected", String(this.choice.has(seat)));
    if (!free) {
      const unseen = make("span", "unseen");
      unseen.textContent = `Seat ${this.hall.label[seat]}, ${this.hall.detailsOf(seat)}`;
      const cross = make("span", "", { "aria-hidden": "true" });
      cross.textContent = this.hall.own.has(seat) ? "✓" : "×";
      cell.replaceChildren(unseen, cross);
      return;
    }
    const box = document.createElement("input");
    box.type = "checkbox";
    box.name = "seat";
    box.value = this.choice.values.get(seat) ?? `${this.hall.typeOf(seat).id}:${this.hall.id[seat]}`;
    box.checked = this.choice.has(seat);
    box.tabIndex = seat === this.tabStop ? 0 : -1;
    box.dataset.seat = String(seat);
    box.setAttribute("form", this.choice.form.id);
    box.setAttribute("aria-label", `${this.hall.placeOf(seat)}, ${this.hall.detailsOf(seat)}`);
    const number = make("span", "", { "aria-hidden": "true" });
    number.textContent = this.hall.label[seat];
    cell.dataset.kind = String(this.hall.kind[seat]);
    cell.replaceChildren(box, number);
  }

  /** Show the choice in the check boxes. */
  showChoice() {
    for (const [seat, cell] of this.cells) {
      const box = cell.querySelector("input");
      if (box === null) continue;
      box.checked = this.choice.has(seat);
      cell.setAttribute("aria-selected", String(box.checked));
    }
  }

  /** Show seats whose state has changed. The focus moves on to the nearest free seat. */
  showChanges(changed) {
    this.showSections();
    for (const seat of changed) {
      const cell = this.cells.get(seat);
      if (cell === undefined) continue;
      const hadFocus = cell.contains(document.activeElement);
      this.#fillCell(seat);
      if (hadFocus) this.#moveTo(this.#nearest(seat, this.#freeSeats()));
    }
    this.#placeTabStop();
  }

  #placeTabStop() {
    const at = this.cells.get(this.tabStop)?.querySelector("input");
    if (at) return;
    const first = this.#freeSeats()[0];
    if (first !== undefined) this.#setTabStop(first);
  }

  #setTabStop(seat) {
    const before = this.cells.get(this.tabStop)?.querySelector("input");
    if (before) before.tabIndex = -1;
    this.tabStop = seat;
    const now = this.cells.get(seat)?.querySelector("input");
    if (now) now.tabIndex = 0;
  }

  #freeSeats(first = 0, end = Infinity) {
    const seats = [];
    for (const seat of this.cells.keys()) {
      if (seat >= first && seat < end && this.hall.state[seat] === FREE) seats.push(seat);
    }
    return seats;
  }

  #onChange(event) {
    const seat = Number(event.target.dataset.seat);
    this.choice.toggle(seat);
    event.target.checked = this.choice.has(seat);
  }

  #onFocus(event) {
    const seat = Number(event.target.dataset.seat ?? -1);
    if (seat === -1) return;
    this.#setTabStop(seat);
    this.told.focus(seat);
  }

  #onKey(event) {
    const seat = Number(event.target.dataset.seat ?? -1);
    if (seat === -1) return;
    const to = this.#target(event, seat);
    if (to === null) return;
    event.preventDefault();
    this.#moveTo(to);
  }

  /** Return where a key leads: a seat, undefined where nothing is left, null for any other key. */
  #target(event, seat) {
    const number = this.hall.row[seat];
    const row = this.hall.rows[number];
    const whole = event.ctrlKey ? this.#freeSeats() : this.#freeSeats(row.first, row.end);
    switch (event.key) {
      case "ArrowRight":
        return this.#freeSeats(seat + 1, row.end)[0];
      case "ArrowLeft":
        return this.#freeSeats(row.first, seat).at(-1);
      case "ArrowDown":
        return this.#inOtherRow(seat, number, 1);
      case "ArrowUp":
        return this.#inOtherRow(seat, number, -1);
      case "Home":
        return whole[0];
      case "End":
        return whole.at(-1);
      default:
        return null;
    }
  }

  #inOtherRow(seat, number, step) {
    const section = this.hall.sectionOf(seat);
    for (let row = number + step; row >= section.firstRow && row < section.endRow; row += step) {
      const free = this.#freeSeats(this.hall.rows[row].first, this.hall.rows[row].end);
      if (free.length > 0) return this.#nearest(seat, free);
    }
    return undefined;
  }

  #nearest(seat, others) {
    let found;
    for (const other of others) {
      if (found === undefined || this.hall.distance(seat, other) < this.hall.distance(seat, found)) found = other;
    }
    return found;
  }

  #moveTo(seat) {
    if (seat === undefined) return;
    this.#setTabStop(seat);
    this.cells.get(seat).querySelector("input").focus();
  }
}

function labelled(control, text) {
  const field = make("div", "field");
  const label = document.createElement("label");
  label.htmlFor = control.id;
  label.textContent = text;
  field.append(label, control);
  return field;
}

function make(name, className, attributes = {}) {
  const element = document.createElement(name);
  if (className) element.className = className;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
