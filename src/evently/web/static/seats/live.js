// The states of the seats as others choose. They come by the event's stream; until it speaks, and while it is
// broken, the page asks again and again for what has changed. A page that nobody sees does neither; after an
// absence everything between is in one answer.

const ASK_MS = 2000;
const LOOK_MS = 5000; // while the stream speaks
const SILENT_MS = 40_000; // a ping comes every 15 s: a proxy holds such a stream back, or it is lost
const PATIENCE_MS = 8000;
const OPEN_AGAIN_MS = 60_000; // after the server has refused a stream
const LOST_AFTER_MS = 15_000;
const ANSWER_MS_MAX = 10_000;

/**
 * @typedef {object} Told
 * @property {(changes: [number, string][] | null, seats: string | null) => void} changed
 * @property {(secondsAgo: number | null) => void} seen how long ago the last news came, if long; null: all is well
 * @property {() => void} replaced the layout is another one
 */

export class Live {
  /**
   * @param {{ states: string, stream: string }} addresses
   * @param {{ seq: number, digest: string }} known of the first answer
   * @param {Told} told
   */
  constructor(addresses, known, told) {
    this.addresses = addresses;
    this.seq = known.seq;
    this.digest = known.digest;
    this.told = told;
    this.heardAt = performance.now();
    this.failures = 0;
    this.asking = 0;
    this.opening = 0;
    /** @type {EventSource | null} */
    this.stream = null;
    this.streams = false;
    this.spokeAt = 0;
    document.addEventListener("visibilitychange", () => this.#follow());
    addEventListener("online", () => this.#follow());
    this.#open();
    this.#askLater();
  }

  /** Follow while the page is seen. */
  #follow() {
    this.#close();
    clearTimeout(this.asking);
    if (document.hidden) return;
    this.#ask();
    this.#open();
  }

  #open() {
    if (document.hidden) return;
    const stream = new EventSource(`${this.addresses.stream}?since=${this.seq}`);
    this.stream = stream;
    this.spokeAt = performance.now();
    stream.addEventListener("snapshot", (event) => this.#takeMessage(event));
    stream.addEventListener("changes", (event) => this.#takeMessage(event));
    stream.addEventListener("ping", () => this.#hearStream());
    stream.addEventListener("end", (event) => {
      if (JSON.parse(event.data).reason !== "stopping") this.#close();
    });
    stream.addEventListener("error", () => {
      const spoke = this.streams;
      this.streams = false;
      if (stream.readyState === EventSource.CLOSED) this.#openLater();
      if (spoke) this.#askLater();
    });
  }

  #openLater() {
    this.#close();
    this.opening = setTimeout(() => this.#open(), OPEN_AGAIN_MS);
  }

  #close() {
    clearTimeout(this.opening);
    this.stream?.close();
    this.stream = null;
    this.streams = false;
  }

  /** @param {MessageEvent} event */
  #takeMessage(event) {
    const message = JSON.parse(event.data);
    const whole = message.type === "snapshot";
    if (whole && message.seats?.layout !== this.digest) {
      this.told.replaced();
      return;
    }
    this.#hearStream();
    if (message.seq < this.seq) return;
    this.seq = message.seq;
    this.told.changed(whole ? null : message.seats, whole ? message.seats.states : null);
  }

  #hearStream() {
    this.streams = true;
    this.spokeAt = performance.now();
    this.#hear();
  }

  /** Ask, unless the stream has spoken lately. */
  #look() {
    if (this.stream !== null && performance.now() - this.spokeAt > SILENT_MS) this.#openLater();
    if (this.streams) this.#askLater();
    else this.#ask();
  }

  async #ask() {
    try {
      const signal = AbortSignal.timeout(ANSWER_MS_MAX);
      const response = await fetch(`${this.addresses.states}?since=${this.seq}`, { signal });
      if (!response.ok) throw new Error(String(response.status));
      this.#takeAnswer(await response.json());
    } catch {
      this.failures += 1;
      const away = performance.now() - this.heardAt;
      if (away > LOST_AFTER_MS) this.told.seen(Math.round(away / 1000));
    }
    this.#askLater();
  }

  #takeAnswer(answer) {
    if (answer.layout.digest !== this.digest) {
      this.told.replaced();
      return;
    }
    this.#hear();
    // Another server process may be a little behind: what is older than known is no news
    if (answer.seq < this.seq) return;
    this.seq = answer.seq;
    this.told.changed(answer.changes, answer.seats);
  }

  #hear() {
    this.heardAt = performance.now();
    this.failures = 0;
    this.told.seen(null);
  }

  #askLater() {
    clearTimeout(this.asking);
    if (document.hidden) return;
    // When a server restarts, all its pages begin to ask: not in the same moment
    const wait = Math.min(ASK_MS * 2 ** this.failures, PATIENCE_MS) * (0.75 + Math.random() / 2);
    this.asking = setTimeout(() => this.#look(), this.streams ? LOOK_MS : wait);
  }
}
