// The chosen seats. The form of the page is their truth: a check box in the open section, a hidden field for a
// seat of another one. Choosing in the map changes the form, and a change of the form is shown in the map.

import { FREE } from "./hall.js";

/** @typedef {import("./hall.js").Hall} Hall */

export class Choice extends EventTarget {
  /**
   * @param {Hall} hall
   * @param {HTMLFormElement} form
   */
  constructor(hall, form) {
    super();
    this.hall = hall;
    this.form = form;
    /** @type {Map<number, string>} what the form sends for each chosen seat, in the order of choosing */
    this.values = new Map();
    /** @type {Set<number>} seats that were chosen until others took them */
    this.gone = new Set();
    /** The section whose check boxes are on the page; -1 without one. */
    this.openSection = -1;
    this.refusal = "";
  }

  /** Take over what the page came with, and what of it is gone already. */
  readForm() {
    for (const field of this.form.elements) {
      if (!(field instanceof HTMLInputElement) || field.name !== "seat") continue;
      const seat = this.hall.numberOf(field.value.slice(field.value.indexOf(":") + 1));
      if (seat === undefined) continue;
      const isFree = this.hall.state[seat] === FREE;
      const wasChosen = field.checked || field.closest("[data-chosen]") !== null;
      if (wasChosen && !isFree && !this.hall.own.has(seat)) this.gone.add(seat);
      if (field.checked && isFree) this.values.set(seat, field.value);
    }
  }

  get seats() {
    return [...this.values.keys()];
  }

  /** @param {number} seat */
  has(seat) {
    return this.values.has(seat);
  }

  /** The sum in minor units. */
  get amount() {
    let sum = 0;
    for (const [seat, value] of this.values) sum += this.#typeOf(seat, value).amount;
    return sum;
  }

  #typeOf(seat, value) {
    const types = this.hall.zones[this.hall.zone[seat]].types;
    return types.find((type) => value.startsWith(`${type.id}:`)) ?? types[0];
  }

  #valueOf(seat) {
    return `${this.hall.typeOf(seat).id}:${this.hall.id[seat]}`;
  }

  /** Choose a free seat, or give a chosen one back. @param {number} seat */
  toggle(seat) {
    if (this.has(seat)) this.remove([seat]);
    else this.add([seat]);
  }

  /** @param {number[]} seats */
  add(seats) {
    this.refusal = "";
    for (const seat of seats) {
      if (this.has(seat)) continue;
      if (this.hall.state[seat] !== FREE) {
        this.refusal = `${this.hall.nameOf(seat)} is taken.`;
      } else if (this.#isFull(seat)) {
        const type = this.hall.typeOf(seat);
        this.refusal = `At most ${type.most} of ${type.name} in one booking.`;
      } else {
        this.values.set(seat, this.#valueOf(seat));
        this.gone.delete(seat);
      }
    }
    this.#tell();
  }

  #isFull(seat) {
    const wanted = this.hall.typeOf(seat);
    let chosen = 0;
    for (const [other, value] of this.values) {
      if (this.#typeOf(other, value).id === wanted.id) chosen += 1;
    }
    return chosen >= wanted.most;
  }

  /** Choose exactly these seats; those that stay keep their ticket type. @param {number[]} seats */
  replace(seats) {
    for (const seat of this.seats) {
      if (!seats.includes(seat)) this.values.delete(seat);
    }
    this.add(seats);
  }

  /** @param {number[]} seats */
  remove(seats) {
    this.refusal = "";
    for (const seat of seats) {
      this.values.delete(seat);
      this.gone.delete(seat);
    }
    this.#tell();
  }

  /** Take note of seats whose state has changed; return those that were chosen and are taken now. */
  notice(changed) {
    const lost = changed.filter((seat) => this.has(seat) && this.hall.state[seat] !== FREE);
    const back = changed.filter((seat) => this.gone.has(seat) && this.hall.state[seat] === FREE);
    if (lost.length === 0 && back.length === 0) return lost;
    for (const seat of lost) {
      this.values.delete(seat);
      if (!this.hall.own.has(seat)) this.gone.add(seat);
    }
    for (const seat of back) this.gone.delete(seat);
    this.refusal = "";
    this.#tell();
    return lost.filter((seat) => this.gone.has(seat));
  }

  /** @param {number} number of a section, or -1 */
  setOpenSection(number) {
    this.openSection = number;
    this.writeForm();
  }

  #tell() {
    this.writeForm();
    this.dispatchEvent(new Event("change"));
  }

  /** Hidden fields for all chosen seats that have no check box; and the address, for reload and Back. What was
   *  chosen besides seats stays in both. */
  writeForm() {
    for (const field of [...this.form.querySelectorAll('input[type="hidden"][name="seat"]')]) field.remove();
    for (const [seat, value] of this.values) {
      if (this.hall.sectionNumberOf(seat) === this.openSection) continue;
      const field = document.createElement("input");
      field.type = "hidden";
      field.name = "seat";
      field.value = value;
      this.form.append(field);
    }
    const query = new URLSearchParams();
    for (const field of this.form.querySelectorAll("[data-other]")) query.append(field.name, field.value);
    if (this.openSection !== -1) query.set("section", this.hall.sections[this.openSection].name);
    for (const value of this.values.values()) query.append("seat", value);
    const address = query.size > 0 ? `${location.pathname}?${query}` : location.pathname;
    if (address !== location.pathname + location.search) history.replaceState(history.state, "", address);
  }
}
