// The states of the seats as others choose: what has changed since the last answer, asked for again and again
// while the page is seen. After an absence everything between is in one answer.

const EVERY_MS = 2000;
const PATIENCE_MS = 8000;
const LOST_AFTER_MS = 15_000;
const ANSWER_MS_MAX = 10_000;

/**
 * @param {string} address of the states
 * @param {number} seq of the first answer
 * @param {{ changed: (changes: [number, string][] | null, seats: string | null) => void,
 *           seen: (secondsAgo: number | null) => void, replaced: () => void }} told
 *   `seen` says how long ago the last answer came, when that is long; null when all is well
 * @param {string} digest of the layout
 */
export function followStates(address, seq, digest, told) {
  let known = seq;
  let answeredAt = performance.now();
  let timer = 0;
  let failures = 0;

  async function ask() {
    clearTimeout(timer);
    try {
      const signal = AbortSignal.timeout(ANSWER_MS_MAX);
      const response = await fetch(`${address}?since=${known}`, { signal });
      if (!response.ok) throw new Error(String(response.status));
      take(await response.json());
      failures = 0;
      answeredAt = performance.now();
      told.seen(null);
    } catch {
      failures += 1;
      const away = performance.now() - answeredAt;
      if (away > LOST_AFTER_MS) told.seen(Math.round(away / 1000));
    }
    askLater();
  }

  function take(answer) {
    if (answer.layout.digest !== digest) {
      told.replaced();
      return;
    }
    // Another server process may be a little behind: what is older than known is no news
    if (answer.seq < known) return;
    known = answer.seq;
    told.changed(answer.changes, answer.seats);
  }

  function askLater() {
    clearTimeout(timer);
    if (document.hidden) return;
    timer = setTimeout(ask, Math.min(EVERY_MS * 2 ** failures, PATIENCE_MS));
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else ask();
  });
  addEventListener("online", ask);
  askLater();
}
