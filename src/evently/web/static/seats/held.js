// The seats that the reader holds and has not paid: theirs on the map, though nobody can choose them. A reader
// who has not logged in has none. The page is asked for again when a hold ends, or when it comes back from the
// browser's memory.

/** @typedef {{ seconds: number, seats: string[] }} Hold */

export class Held {
  /**
   * @param {string} address of the reader's holds; empty without a session
   * @param {(ids: string[]) => void} changed
   */
  constructor(address, changed) {
    this.address = address;
    this.changed = changed;
    this.timer = 0;
    if (address) addEventListener("pageshow", (event) => event.persisted && this.#renew());
  }

  /** Return the ids of the seats; none where these cannot be read. */
  async read() {
    if (!this.address) return [];
    clearTimeout(this.timer);
    try {
      const response = await fetch(this.address);
      /** @type {Hold[]} */
      const holds = response.ok ? await response.json() : [];
      if (holds.length > 0) {
        const first = Math.min(...holds.map((hold) => hold.seconds));
        this.timer = setTimeout(() => this.#renew(), (first + 1) * 1000);
      }
      return holds.flatMap((hold) => hold.seats);
    } catch {
      return [];
    }
  }

  async #renew() {
    this.changed(await this.read());
  }
}
