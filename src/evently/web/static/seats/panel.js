// What is chosen, in words: each seat with its price, those that were taken meanwhile struck through, the sum.

/** @typedef {import("./hall.js").Hall} Hall */
/** @typedef {import("./choice.js").Choice} Choice */

const AMOUNT = /[\d.,]+/;
const THOUSANDS = /\B(?=(\d{3})+(?!\d))/g;

/**
 * Return a function that writes amounts as the page does. `zero` is the page's own: "€ 0.00".
 * @param {string} zero
 * @returns {(amount: number) => string}
 */
export function moneyLike(zero) {
  const decimals = (zero.split(".")[1] ?? "").length;
  return (amount) => {
    const [whole, rest] = (amount / 10 ** decimals).toFixed(decimals).split(".");
    const figures = whole.replace(THOUSANDS, ",") + (rest ? `.${rest}` : "");
    return zero.replace(AMOUNT, figures);
  };
}

export class Panel {
  /**
   * @param {HTMLElement} host
   * @param {NodeListOf<HTMLButtonElement>} buttons that go on
   * @param {Hall} hall
   * @param {Choice} choice
   * @param {(amount: number) => string} money
   */
  constructor(host, buttons, hall, choice, money) {
    this.host = host;
    this.buttons = buttons;
    this.hall = hall;
    this.choice = choice;
    this.money = money;
    for (const button of buttons) {
      button.addEventListener("click", (event) => {
        if (button.getAttribute("aria-disabled") === "true") event.preventDefault();
      });
    }
  }

  show() {
    const { choice } = this;
    const count = choice.values.size;
    const list = document.createElement("ul");
    list.className = "list chosen-seats";
    list.append(...[...choice.gone].map((seat) => this.#goneItem(seat)));
    list.append(...choice.seats.map((seat) => this.#item(seat)));
    const empty = document.createElement("p");
    empty.className = "soft small";
    empty.textContent = "None yet. Press a seat on the map, or choose from the list.";
    this.host.replaceChildren(list.children.length > 0 ? list : empty);
    for (const button of this.buttons) {
      button.setAttribute("aria-disabled", String(count === 0));
      button.closest(".phone-bar")?.toggleAttribute("hidden", count === 0);
      const others = Number(choice.form.dataset.others ?? 0);
      const seats = (count === 1 ? "1 seat" : `${count} seats`) + (others > 0 ? ` and ${others} more` : "");
      button.textContent = count === 0 ? "Choose seats first" : `Continue with ${seats}, ${this.#sum()}`;
    }
  }

  #sum() {
    const amount = this.choice.amount + Number(this.choice.form.dataset.amount ?? 0);
    return amount === 0 ? "free" : this.money(amount);
  }

  #item(seat) {
    const item = document.createElement("li");
    const name = document.createElement("span");
    const note = this.hall.detailsOf(seat);
    name.textContent = `${this.hall.nameOf(seat)}, ${note}`;
    const label = `Remove ${this.hall.nameOf(seat)}`;
    item.append(name, this.#button("Remove", label, () => this.#remove(seat)));
    return item;
  }

  #goneItem(seat) {
    const item = document.createElement("li");
    const name = document.createElement("span");
    const struck = document.createElement("s");
    struck.textContent = this.hall.nameOf(seat);
    name.append(struck, " taken meanwhile");
    item.append(name);
    const near = this.hall.nearestFree(seat, (other) => this.choice.has(other));
    if (near !== -1) {
      const text = `Take ${this.hall.placeOf(near)} instead`;
      const label = `Take ${this.hall.nameOf(near)} instead, ${this.hall.detailsOf(near)}`;
      item.append(this.#button(text, label, () => this.#replace(seat, near)));
    }
    item.append(this.#button("Dismiss", `Dismiss ${this.hall.nameOf(seat)}`, () => this.#remove(seat)));
    return item;
  }

  #remove(seat) {
    this.choice.remove([seat]);
    this.#keepFocus();
  }

  #replace(seat, near) {
    this.choice.gone.delete(seat);
    this.choice.add([near]);
    this.#keepFocus();
  }

  /** The pressed button is gone: the focus goes to the next one, or to what goes on. */
  #keepFocus() {
    const next = this.host.querySelector("button") ?? [...this.buttons].find((each) => each.offsetParent !== null);
    next?.focus();
  }

  #button(text, label, act) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button plain short";
    button.textContent = text;
    button.setAttribute("aria-label", label);
    button.addEventListener("click", act);
    return button;
  }
}
