// Choosing many seats with the pointer: a closed line around them, drawn by dragging. A second finger, the wheel
// and the middle button still move the map. Knows nothing about what is chosen.

const SVG = "http://www.w3.org/2000/svg";
const STEP_PIXELS = 4; // a new corner of the line
const STILL_PIXELS = 8;

export class Lasso {
  /**
   * @param {HTMLElement} frame around the picture; the line is drawn over it
   * @param {{ active: () => boolean, caught: (inside: (x: number, y: number) => boolean, points: number[][], more: boolean) => void }} told
   *   `active`: whether a drag draws a line; `caught` gets what is inside, in pixels of the frame
   */
  constructor(frame, told) {
    this.frame = frame;
    this.told = told;
    /** @type {number[][] | null} */
    this.points = null;
    this.pointer = -1;
    this.overlay = document.createElementNS(SVG, "svg");
    this.overlay.setAttribute("class", "lasso");
    this.overlay.setAttribute("aria-hidden", "true");
    this.line = document.createElementNS(SVG, "path");
    this.overlay.append(this.line);
    frame.append(this.overlay);
    // In the capture phase: what this takes, the gestures of the map do not see
    frame.addEventListener("pointerdown", (event) => this.#down(event), { capture: true });
    frame.addEventListener("pointermove", (event) => this.#move(event), { capture: true });
    frame.addEventListener("pointerup", (event) => this.#up(event), { capture: true });
    frame.addEventListener("pointercancel", () => this.#drop(), { capture: true });
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (this.points !== null) this.#drop(); // a second finger moves the map
    const onMap = event.target instanceof Element && event.target.closest("svg.seat-picture") !== null;
    if (!onMap || event.button !== 0 || !event.isPrimary || !this.told.active()) return;
    this.points = [this.#at(event)];
    this.pointer = event.pointerId;
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (this.points === null || event.pointerId !== this.pointer) return;
    event.stopPropagation();
    const point = this.#at(event);
    const last = this.points[this.points.length - 1];
    if (Math.hypot(point[0] - last[0], point[1] - last[1]) < STEP_PIXELS) return;
    this.points.push(point);
    this.line.setAttribute("d", `M${this.points.map((each) => each.join(" ")).join("L")}Z`);
  }

  /** @param {PointerEvent} event */
  #up(event) {
    if (this.points === null || event.pointerId !== this.pointer) return;
    const points = this.points;
    this.#drop();
    const [left, right] = spanOf(points.map((each) => each[0]));
    const [top, bottom] = spanOf(points.map((each) => each[1]));
    if (Math.max(right - left, bottom - top) < STILL_PIXELS) return; // a tap, which the gestures see
    const inside = (x, y) => x >= left && x <= right && y >= top && y <= bottom && isInside(points, x, y);
    this.told.caught(inside, points, event.shiftKey || event.ctrlKey || event.metaKey);
  }

  #drop() {
    this.points = null;
    this.line.removeAttribute("d");
  }

  /** @param {PointerEvent} event */
  #at(event) {
    const box = this.frame.getBoundingClientRect();
    return [event.clientX - box.left - this.frame.clientLeft, event.clientY - box.top - this.frame.clientTop];
  }
}

/** @param {number[]} values */
function spanOf(values) {
  return [Math.min(...values), Math.max(...values)];
}

/** Whether a place is inside a closed line: even-odd, as a drawing is filled. @param {number[][]} points */
export function isInside(points, x, y) {
  let inside = false;
  for (let at = 0, before = points.length - 1; at < points.length; before = at, at += 1) {
    const [oneX, oneY] = points[at];
    const [otherX, otherY] = points[before];
    const crosses = oneY > y !== otherY > y && x < ((otherX - oneX) * (y - oneY)) / (otherY - oneY) + oneX;
    if (crosses) inside = !inside;
  }
  return inside;
}
