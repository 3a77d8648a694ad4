// Pointer, wheel and fingers on the map: drag, pinch, zoom, tap. Knows nothing about seats.

const STILL_PIXELS = 8; // a finger that moves less has tapped
const TAP_MS = 600;
const DOUBLE_TAP_MS = 320;
const WHEEL_ZOOM = 0.0016;
const DOUBLE_TAP_PIXELS = 30;
const DOUBLE_TAP_ZOOM = 2;

/**
 * @param {SVGSVGElement} svg
 * @param {import("./view.js").View} view
 * @param {{ tap: (x: number, y: number) => boolean, hover: (x: number, y: number) => void, leave: () => void }} told
 *   `tap` returns whether it did something; if not, a second tap zooms
 */
export function followGestures(svg, view, told) {
  /** @type {Map<number, { x: number, y: number }>} */
  const fingers = new Map();
  let travelled = 0;
  let gap = 0;
  let startedAt = 0;
  let severalFingers = false;
  /** @type {{ x: number, y: number, at: number } | null} */
  let lastTap = null;

  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    svg.setPointerCapture(event.pointerId);
    if (fingers.size === 0) {
      travelled = 0;
      startedAt = event.timeStamp;
      severalFingers = false;
    }
    fingers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    severalFingers ||= fingers.size > 1;
    gap = 0;
  });

  svg.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (before === undefined) {
      told.hover(event.offsetX, event.offsetY);
      return;
    }
    const byX = event.offsetX - before.x;
    const byY = event.offsetY - before.y;
    before.x = event.offsetX;
    before.y = event.offsetY;
    travelled += Math.hypot(byX, byY);
    if (fingers.size === 1 && travelled >= STILL_PIXELS) view.move(byX, byY);
    if (fingers.size === 2) pinch(byX, byY);
  });

  svg.addEventListener("pointerup", (event) => {
    if (!fingers.delete(event.pointerId)) return;
    gap = 0;
    const tapped = travelled < STILL_PIXELS && event.timeStamp - startedAt < TAP_MS && !severalFingers;
    if (tapped) tap(event);
  });

  svg.addEventListener("pointercancel", (event) => {
    fingers.delete(event.pointerId);
    gap = 0;
  });

  svg.addEventListener("pointerleave", () => told.leave());

  svg.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      view.zoom(Math.exp(-event.deltaY * WHEEL_ZOOM), event.offsetX, event.offsetY);
    },
    { passive: false },
  );

  function pinch(byX, byY) {
    const [one, other] = [...fingers.values()];
    const now = Math.hypot(one.x - other.x, one.y - other.y);
    view.move(byX / 2, byY / 2);
    if (gap > 0) view.zoom(now / gap, (one.x + other.x) / 2, (one.y + other.y) / 2);
    gap = now;
  }

  /** @param {PointerEvent} event */
  function tap(event) {
    const x = event.offsetX;
    const y = event.offsetY;
    const again =
      lastTap !== null &&
      event.timeStamp - lastTap.at < DOUBLE_TAP_MS &&
      Math.hypot(x - lastTap.x, y - lastTap.y) < DOUBLE_TAP_PIXELS;
    const acted = told.tap(x, y);
    if (!acted && again) view.zoom(DOUBLE_TAP_ZOOM, x, y);
    lastTap = acted || again ? null : { x, y, at: event.timeStamp };
  }
}
