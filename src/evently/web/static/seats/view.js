// What part of the hall is on the screen: one scale (pixels for a metre) and one shift, for the whole picture.

/** @typedef {import("./hall.js").Box} Box */

const MARGIN_PIXELS = 14;
const ANIMATION_MS = 280;
const FARTHEST_SHARE = 0.9; // of the scale at which the whole hall fits
/** From seat to seat, in pixels: from here on a tap chooses, because a target is large enough (WCAG 2.5.8). */
export const CHOOSING_PIXELS = 24;
const COMFORTABLE_PIXELS = 32;
const LARGEST_PIXELS = 64;

export class View {
  /**
   * @param {Box} whole
   * @param {number} pitch metres from seat to seat
   * @param {() => void} show is called when the view has changed, at most once for each frame
   */
  constructor(whole, pitch, show) {
    this.whole = whole;
    this.pitch = pitch;
    this.show = show;
    this.width = 0;
    this.height = 0;
    this.scale = 1;
    this.left = 0;
    this.top = 0;
    this.asked = 0;
    this.flight = null;
  }

  /** Take a new size. The middle stays; at first, and while the whole hall is shown, it fits again. */
  resize(width, height) {
    const first = this.width === 0;
    const wasWhole = !first && Math.abs(this.scale - this.#fitting(this.whole).scale) < 0.01;
    const middle = this.middle();
    this.width = width;
    this.height = height;
    if (first || wasWhole) this.#set(this.#fitting(this.whole));
    else this.#set({ scale: this.scale, ...middle });
    this.ask();
  }

  /** The place in the middle of the screen. */
  middle() {
    return { x: (this.width / 2 - this.left) / this.scale, y: (this.height / 2 - this.top) / this.scale };
  }

  /** From seat to seat on the screen. */
  seatPixels() {
    return this.pitch * this.scale;
  }

  canChoose() {
    return this.seatPixels() >= CHOOSING_PIXELS;
  }

  /** The part of the hall that is on the screen. @returns {Box} */
  box() {
    return {
      left: -this.left / this.scale,
      top: -this.top / this.scale,
      right: (this.width - this.left) / this.scale,
      bottom: (this.height - this.top) / this.scale,
    };
  }

  /** From pixels to metres. */
  toHall(x, y) {
    return { x: (x - this.left) / this.scale, y: (y - this.top) / this.scale };
  }

  /** From metres to pixels. */
  toScreen(x, y) {
    return { x: x * this.scale + this.left, y: y * this.scale + this.top };
  }

  move(byX, byY) {
    this.flight = null;
    this.left += byX;
    this.top += byY;
    this.#keepInside();
    this.ask();
  }

  /** Zoom around a place on the screen. */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    this.flight = null;
    const scale = this.#within(this.scale * factor);
    const ratio = scale / this.scale;
    this.left = x - (x - this.left) * ratio;
    this.top = y - (y - this.top) * ratio;
    this.scale = scale;
    this.#keepInside();
    this.ask();
  }

  /** Fly to the whole hall. */
  showWhole() {
    this.#fly(this.#fitting(this.whole));
  }

  /** Fly so that a part of the hall fills the screen. @param {Box} box */
  showBox(box) {
    const to = this.#fitting(box);
    to.scale = Math.min(to.scale, COMFORTABLE_PIXELS / this.pitch);
    this.#fly(to);
  }

  /** Fly to a place, so near that seats can be chosen. */
  showPlace(x, y) {
    this.#fly({ scale: Math.max(this.scale, COMFORTABLE_PIXELS / this.pitch), x, y });
  }

  ask() {
    if (this.asked === 0) this.asked = requestAnimationFrame((now) => this.#step(now));
  }

  #step(now) {
    this.asked = 0;
    if (this.flight !== null) this.#follow(now);
    this.show();
  }

  #follow(now) {
    const { started, from, to } = this.flight;
    const part = Math.min(1, Math.max(0, (now - started) / ANIMATION_MS));
    const eased = 1 - (1 - part) ** 3;
    this.#set({
      scale: from.scale * (to.scale / from.scale) ** eased,
      x: from.x + (to.x - from.x) * eased,
      y: from.y + (to.y - from.y) * eased,
    });
    if (part < 1) this.ask();
    else this.flight = null;
  }

  #fly(to) {
    to.scale = this.#within(to.scale);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.flight = null;
      this.#set(to);
    } else {
      this.flight = { started: performance.now(), from: { scale: this.scale, ...this.middle() }, to };
    }
    this.ask();
  }

  #set({ scale, x, y }) {
    this.scale = scale;
    this.left = this.width / 2 - x * scale;
    this.top = this.height / 2 - y * scale;
  }

  /** @param {Box} box */
  #fitting(box) {
    const across = (this.width - 2 * MARGIN_PIXELS) / (box.right - box.left);
    const down = (this.height - 2 * MARGIN_PIXELS) / (box.bottom - box.top);
    const scale = Math.max(0.01, Math.min(across, down));
    return { scale, x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2 };
  }

  #within(scale) {
    const least = this.#fitting(this.whole).scale * FARTHEST_SHARE;
    return Math.min(Math.max(scale, least), Math.max(least, LARGEST_PIXELS / this.pitch));
  }

  /** The middle of the screen stays over the hall, so that nobody gets lost beside it. */
  #keepInside() {
    const { x, y } = this.middle();
    const insideX = Math.min(Math.max(x, this.whole.left), this.whole.right);
    const insideY = Math.min(Math.max(y, this.whole.top), this.whole.bottom);
    this.left -= (insideX - x) * this.scale;
    this.top -= (insideY - y) * this.scale;
  }
}
