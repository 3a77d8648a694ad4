// Best available: draws what would be found before anything is held, and offers others.

/** @typedef {import("./hall.js").Hall} Hall */
/** @typedef {import("./choice.js").Choice} Choice */

export class Suggestion {
  /**
   * @param {HTMLFormElement} form
   * @param {HTMLElement} host shows what was found
   * @param {string} address
   * @param {Hall} hall
   * @param {Choice} choice
   * @param {(amount: number) => string} money
   * @param {{ show: (seats: number[]) => void }} told
   */
  constructor(form, host, address, hall, choice, money, told) {
    this.form = form;
    this.host = host;
    this.address = address;
    this.hall = hall;
    this.choice = choice;
    this.money = money;
    this.told = told;
    this.others = 0;
    /** @type {number[]} */
    this.seats = [];
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.others = 0;
      this.#find();
    });
  }

  async #find() {
    const query = new URLSearchParams(/** @type {any} */ (new FormData(this.form)));
    for (const field of this.form.querySelectorAll("[data-other]")) query.delete(field.name); // they have no seats
    const asked = [...query].some(([name, value]) => name.startsWith("tty_") && Number(value) > 0);
    if (!asked) {
      this.#say("Say how many seats first.");
      return;
    }
    query.set("others", String(this.others));
    const seats = await this.#ask(query);
    if (seats === null) {
      this.#say("We could not look just now.", [["Try again", () => this.#find()]]);
    } else if (seats.length === 0 && this.others > 0) {
      this.others = 0;
      this.#say("There are no others.", [["Show the best again", () => this.#find()]]);
    } else if (seats.length === 0) {
      this.#say("There are not so many seats left like this. Try fewer, or another section.");
    } else {
      this.#offer(seats);
    }
  }

  async #ask(query) {
    try {
      const response = await fetch(`${this.address}?${query}`);
      if (!response.ok) return null;
      const { seats } = await response.json();
      return seats.map((value) => this.hall.numberOf(value.slice(value.indexOf(":") + 1)));
    } catch {
      return null;
    }
  }

  #offer(seats) {
    const sum = seats.reduce((total, seat) => total + this.hall.typeOf(seat).amount, 0);
    this.seats = seats;
    this.told.show(seats);
    const price = sum === 0 ? "free" : this.money(sum);
    this.#say(`${inWords(this.hall, seats)}: ${price}. Nothing is held yet.`, [
      [seats.length === 1 ? "Take this" : "Take these", () => this.#take()],
      ["Show others", () => this.#showOthers()],
    ]);
  }

  #take() {
    const seats = this.seats;
    this.clear();
    this.choice.add(seats);
  }

  #showOthers() {
    this.others += 1;
    this.#find();
  }

  clear() {
    this.seats = [];
    this.host.replaceChildren();
    this.told.show([]);
  }

  /** @param {string} text @param {[string, () => void][]} actions */
  #say(text, actions = []) {
    if (actions.length === 0 || this.seats.length === 0) this.told.show([]);
    const sentence = document.createElement("p");
    sentence.textContent = text;
    const buttons = actions.map(([label, act], place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = place === 0 ? "button first short" : "button short";
      button.textContent = label;
      button.addEventListener("click", act);
      return button;
    });
    const row = document.createElement("div");
    row.className = "row";
    row.append(...buttons);
    this.host.replaceChildren(sentence, ...(buttons.length > 0 ? [row] : []));
    buttons[0]?.focus({ preventScroll: true });
  }
}

/**
 * Return seats row by row: "Stalls, row C, 12 and 13".
 * @param {Hall} hall
 * @param {number[]} seats
 */
export function inWords(hall, seats) {
  /** @type {Map<number, string[]>} */
  const byRow = new Map();
  for (const seat of seats) {
    const labels = byRow.get(hall.row[seat]);
    if (labels) labels.push(hall.label[seat]);
    else byRow.set(hall.row[seat], [hall.label[seat]]);
  }
  const rows = [...byRow].map(([number, labels]) => {
    const row = hall.rows[number];
    const last = labels.length > 1 ? ` and ${labels.at(-1)}` : "";
    const first = labels.length > 1 ? labels.slice(0, -1) : labels;
    return `${hall.sections[row.section].name}, row ${row.label}, ${first.join(", ")}${last}`;
  });
  return rows.join("; ");
}
