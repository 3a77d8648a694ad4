// A single seat that a choice would leave alone, where the organizer does not want that: said while choosing, with
// two ways out. The server knows the rule.

/** @typedef {import("./hall.js").Hall} Hall */
/** @typedef {import("./choice.js").Choice} Choice */

const CALM_MS = 250; // after the last choice

export class OrphanWarning {
  /**
   * @param {HTMLElement} host shows the warning
   * @param {string} address of the rule; empty when single seats may stay
   * @param {Hall} hall
   * @param {Choice} choice
   */
  constructor(host, address, hall, choice) {
    this.host = host;
    this.address = address;
    this.hall = hall;
    this.choice = choice;
    this.waiting = 0;
  }

  /** Look at the choice as it is now, when it has stood for a moment. */
  look() {
    if (this.address === "") return;
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.#ask(), CALM_MS);
  }

  async #ask() {
    const seats = this.choice.seats;
    if (seats.length === 0) {
      this.host.replaceChildren();
      return;
    }
    const query = new URLSearchParams([...this.choice.values.values()].map((value) => ["seat", value]));
    try {
      const response = await fetch(`${this.address}?${query}`);
      const answer = response.ok ? await response.json() : { orphans: [] };
      if (sameSeats(seats, this.choice.seats)) this.#show(answer);
    } catch {
      this.host.replaceChildren(); // the booking says it
    }
  }

  /** @param {{ orphans: string[], moved: string[] | null, extended: string[] | null }} answer */
  #show({ orphans, moved, extended }) {
    if (orphans.length === 0) {
      this.host.replaceChildren();
      return;
    }
    const names = orphans.map((id) => this.hall.nameOf(this.hall.numberOf(id))).join(" and ");
    const sentence = document.createElement("p");
    sentence.textContent = `That leaves one seat alone, which the organizer does not want: ${names}.`;
    const row = document.createElement("div");
    row.className = "row";
    if (moved) row.append(this.#button("Move by one", moved));
    if (extended) row.append(this.#button(orphans.length === 1 ? "Take it, too" : "Take them, too", extended));
    this.host.replaceChildren(sentence, row);
  }

  #button(text, ids) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button short";
    button.textContent = text;
    button.addEventListener("click", () => this.choice.replace(ids.map((id) => this.hall.numberOf(id))));
    return button;
  }
}

function sameSeats(some, others) {
  return some.length === others.length && some.every((seat, place) => seat === others[place]);
}
