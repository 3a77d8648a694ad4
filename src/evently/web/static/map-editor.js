// The editor of a seat map: choose seats or sections, move, turn, name, number, delete; undo and redo. Nothing is
// saved before the form is sent with the whole map. Drawn by the picture that buyers see.

import { Hall } from "./seats/hall.js";
import { Lasso } from "./seats/lasso.js";
import { Picture } from "./seats/picture.js";
import { View } from "./seats/view.js";
import { followGestures } from "./seats/gestures.js";

const REACH_PIXELS = 40;
const KINDS = ["standard", "restricted_view", "accessible", "companion"];
const COLOURS = ["a", "b", "c", "d", "e", "f"];
const UNDONE_MAX = 200; // steps; a step keeps the sections that it changed
const PREVIEW_MS = 150;
const NUDGE_METRES = 0.1;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

const host = /** @type {HTMLElement | null} */ (document.querySelector("[data-map-editor]"));
if (host !== null) {
  start(host).catch((error) => {
    host.hidden = true; // the forms below still work
    console.error(error);
  });
}

/** @param {HTMLElement} host */
async function start(host) {
  const response = await fetch(host.dataset.map);
  if (!response.ok) throw new Error(String(response.status));
  edit(host, await response.json());
}

/** @param {HTMLElement} host @param {any} first */
function edit(host, first) {
  const find = (selector) => /** @type {HTMLElement} */ (host.querySelector(selector));
  const svg = /** @type {SVGSVGElement} */ (host.querySelector("svg.seat-picture"));
  const frame = find(".map-frame");
  const said = find("[data-said]");
  const list = find("[data-section-list]");
  const save = /** @type {HTMLFormElement} */ (host.querySelector("[data-save]"));
  const pattern = /** @type {HTMLFormElement | null} */ (document.querySelector("[data-pattern]"));
  let doc = first;
  const past = [];
  const future = [];
  /** @type {Set<number>} */
  let chosen = new Set();
  let preview = [];
  let hall = hallOf(doc);
  const view = new View(hall.box, hall.pitch, () => picture.show());
  let picture = new Picture(svg, hall, view);

  function redraw() {
    hall = hallOf(doc);
    view.whole = hall.box;
    view.pitch = hall.pitch;
    svg.replaceChildren();
    picture = new Picture(svg, hall, view);
    picture.show();
    listSections();
    showChoice();
    showPreview();
    const changed = doc !== first;
    for (const [name, usable] of [["undo", past.length > 0], ["redo", future.length > 0], ["save", changed]]) {
      find(`[data-act="${name}"]`).setAttribute("aria-disabled", String(!usable));
    }
  }

  /** @param {any} next @param {string} what @param {Set<number>} [kept] the seats that stay chosen */
  function apply(next, what, kept = chosen) {
    past.push({ doc, chosen });
    if (past.length > UNDONE_MAX) past.shift();
    future.length = 0;
    doc = next;
    chosen = kept;
    redraw();
    said.textContent = what;
  }

  function step(from, to, word) {
    const found = from.pop();
    if (found === undefined) {
      said.textContent = `There is nothing to ${word}.`;
      return;
    }
    to.push({ doc, chosen });
    ({ doc, chosen } = found);
    redraw();
    said.textContent = word === "undo" ? "Undone." : "Done again.";
  }

  // What is chosen -------------------------------------------------------------------------------------------

  function listSections() {
    const items = doc.sections.map((section, number) => {
      const item = document.createElement("li");
      const label = document.createElement("label");
      const box = document.createElement("input");
      const name = document.createElement("span");
      box.type = "checkbox";
      box.dataset.section = String(number);
      label.className = "chip";
      name.textContent = section.name;
      name.dir = "auto";
      label.append(box, name);
      item.append(label);
      return item;
    });
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.section;
    list.replaceChildren(...items);
    if (focused !== undefined) list.querySelector(`[data-section="${focused}"]`)?.focus();
  }

  list.addEventListener("change", (event) => {
    const box = /** @type {HTMLInputElement} */ (event.target);
    const { first: from, end } = hall.sections[Number(box.dataset.section)];
    for (let seat = from; seat < end; seat += 1) {
      if (box.checked) chosen.add(seat);
      else chosen.delete(seat);
    }
    showChoice();
  });

  function showChoice() {
    picture.setSelection(chosen);
    for (const box of /** @type {NodeListOf<HTMLInputElement>} */ (list.querySelectorAll("[data-section]"))) {
      const { first: from, end } = hall.sections[Number(box.dataset.section)];
      let count = 0;
      for (let seat = from; seat < end; seat += 1) count += Number(chosen.has(seat));
      box.checked = count === end - from;
      box.indeterminate = count > 0 && count < end - from;
    }
    const seats = chosen.size.toLocaleString("en");
    said.textContent = chosen.size === 0 ? "Nothing is chosen." : `${seats} ${chosen.size === 1 ? "seat" : "seats"} chosen.`;
  }

  const tool = () => /** @type {HTMLInputElement} */ (host.querySelector('[name="tool"]:checked')).value;
  const near = (x, y) => {
    const place = view.toHall(x, y);
    return hall.nearest(place.x, place.y, REACH_PIXELS / view.scale);
  };

  followGestures(svg, view, { tap, hover: () => {}, leave: () => {} });

  function tap(x, y) {
    const seat = near(x, y);
    if (seat === -1 || tool() === "map") return false;
    const { first: from, end } = hall.sectionOf(seat);
    const seats = tool() === "seats" ? [seat] : Array.from({ length: end - from }, (_, place) => from + place);
    const add = !chosen.has(seat);
    for (const each of seats) {
      if (add) chosen.add(each);
      else chosen.delete(each);
    }
    showChoice();
    return true;
  }

  new Lasso(frame, {
    active: () => tool() === "seats" || tool() === "sections",
    caught(inside, _points, more) {
      const caught = new Set(more ? chosen : []);
      for (let seat = 0; seat < hall.size; seat += 1) {
        const at = view.toScreen(hall.x[seat], hall.y[seat]);
        if (!inside(at.x, at.y)) continue;
        if (tool() === "seats") caught.add(seat);
        else {
          const { first: from, end } = hall.sectionOf(seat);
          for (let each = from; each < end; each += 1) caught.add(each);
          seat = end - 1;
        }
      }
      chosen = caught;
      showChoice();
    },
  });

  // Dragging moves the line around the seats; the seats follow when it is let go, so that a frame costs nothing
  let drag = null;
  frame.addEventListener("pointerdown", (event) => {
    if (tool() !== "drag" || event.button !== 0 || !(event.target instanceof SVGElement)) return;
    const box = frame.getBoundingClientRect();
    const seat = near(event.clientX - box.left, event.clientY - box.top);
    if (seat === -1) return; // beside all seats, a drag moves the map
    if (!chosen.has(seat)) {
      const { first: from, end } = hall.sectionOf(seat);
      chosen = new Set(Array.from({ length: end - from }, (_, place) => from + place));
      showChoice();
    }
    drag = { x: event.clientX, y: event.clientY, byX: 0, byY: 0, pointer: event.pointerId };
    event.stopPropagation();
    frame.setPointerCapture(event.pointerId);
  }, { capture: true });
  frame.addEventListener("pointermove", (event) => {
    if (drag === null || event.pointerId !== drag.pointer) return;
    event.stopPropagation();
    drag.byX = (event.clientX - drag.x) / view.scale;
    drag.byY = (event.clientY - drag.y) / view.scale;
    picture.selection.setAttribute("transform", `translate(${drag.byX} ${drag.byY})`);
  }, { capture: true });
  frame.addEventListener("pointerup", (event) => {
    if (drag === null || event.pointerId !== drag.pointer) return;
    const { byX, byY } = drag;
    drag = null;
    event.stopPropagation();
    if (Math.hypot(byX, byY) * view.scale > 3) move(byX, byY);
    else picture.selection.removeAttribute("transform");
  }, { capture: true });

  // What can be done -----------------------------------------------------------------------------------------

  /** @param {(seat: any) => any} change of each chosen seat; null deletes it */
  function changeSeats(change) {
    let number = 0;
    const sections = doc.sections.map((section) => {
      let touched = false;
      const rows = section.rows.map((row) => {
        const seats = [];
        let other = false;
        for (const seat of row.seats) {
          const next = chosen.has(number) ? change(seat) : seat;
          number += 1;
          if (next !== null) seats.push(next);
          other ||= next !== seat;
        }
        touched ||= other;
        return other ? { ...row, seats } : row;
      });
      return touched ? { ...section, rows: rows.filter((row) => row.seats.length > 0) } : section;
    });
    return { ...doc, sections: sections.filter((section) => section.rows.length > 0) };
  }

  /** @param {(section: any) => any} change of each section with a chosen seat */
  function changeSections(change) {
    const touched = new Set([...chosen].map((seat) => hall.sectionNumberOf(seat)));
    return { ...doc, sections: doc.sections.map((section, number) => (touched.has(number) ? change(section) : section)) };
  }

  function move(byX, byY) {
    apply(changeSeats((seat) => ({ ...seat, x: round(seat.x + byX), y: round(seat.y + byY) })), "Moved.");
  }

  function turn(degrees) {
    const seats = [...chosen];
    const middleX = seats.reduce((sum, seat) => sum + hall.x[seat], 0) / seats.length;
    const middleY = seats.reduce((sum, seat) => sum + hall.y[seat], 0) / seats.length;
    const [sine, cosine] = [Math.sin((degrees * Math.PI) / 180), Math.cos((degrees * Math.PI) / 180)];
    const turned = (seat) => {
      const [x, y] = [seat.x - middleX, seat.y - middleY];
      return { ...seat, x: round(middleX + x * cosine - y * sine), y: round(middleY + x * sine + y * cosine) };
    };
    apply(changeSeats(turned), `Turned by ${degrees}°.`);
  }

  function remove() {
    const next = changeSeats(() => null);
    if (next.sections.length === 0) said.textContent = "A map keeps at least one seat.";
    else apply(next, `${chosen.size} seats deleted.`, new Set());
  }

  function setKind(kind) {
    const change = ({ kind: _before, ...seat }) => (kind === "standard" ? seat : { ...seat, kind });
    apply(changeSeats(change), "Their kind was changed.");
  }

  function rename(name) {
    const touched = new Set([...chosen].map((seat) => hall.sectionNumberOf(seat)));
    if (touched.size !== 1) said.textContent = "Choose seats of one section to name it.";
    else if (name.trim() === "") said.textContent = "Give the section a name.";
    else apply(changeSections((section) => ({ ...section, name: name.trim() })), "Named.");
  }

  /** Name the rows of the chosen sections from the front. Ids stay, so tickets and zones know their seats. */
  function nameRows(begin, skipped) {
    const letters = [...LETTERS].filter((letter) => !skipped.toUpperCase().includes(letter));
    const counts = /^\d+$/.test(begin);
    if (!counts && (!/^[A-Z]+$/.test(begin) || [...begin].some((letter) => !letters.includes(letter)))) {
      said.textContent = "Rows begin with a number or with letters that are not skipped.";
      return;
    }
    const from = counts ? Number(begin) : ordinalOf(begin, letters);
    const named = (section) => ({
      ...section,
      rows: section.rows.map(({ label: _label, ...row }, place) => ({
        ...row,
        name: counts ? String(from + place) : lettersOf(from + place, letters),
      })),
    });
    apply(changeSections(named), "The rows were named.");
  }

  /** Number the chosen seats of each row. */
  function numberSeats(begin, stepBy, fromRight) {
    let number = 0;
    const sections = doc.sections.map((section) => {
      let touched = false;
      const rows = section.rows.map((row) => {
        const start = number;
        number += row.seats.length;
        const count = row.seats.reduce((sum, _seat, place) => sum + Number(chosen.has(start + place)), 0);
        if (count === 0) return row;
        touched = true;
        let index = 0;
        const seats = row.seats.map((seat, place) => {
          if (!chosen.has(start + place)) return seat;
          const counted = fromRight ? count - 1 - index : index;
          index += 1;
          return { ...seat, label: String(begin + stepBy * counted) };
        });
        return { ...row, seats };
      });
      return touched ? { ...section, rows } : section;
    });
    apply({ ...doc, sections }, "The seats were numbered.");
  }

  const value = (name) => /** @type {HTMLInputElement} */ (host.querySelector(`[data-value="${name}"]`)).value;
  const numeric = (name) => Number(value(name).replace(",", "."));
  const acts = {
    undo: () => step(past, future, "undo"),
    redo: () => step(future, past, "redo"),
    move: () => move(numeric("right"), numeric("down")),
    turn: () => turn(numeric("degrees")),
    kind: () => setKind(value("kind")),
    rename: () => rename(value("section")),
    rows: () => nameRows(value("row").trim().toUpperCase(), value("skipped")),
    seats: () => numberSeats(numeric("seat"), numeric("step"), value("from") === "right"),
    remove,
  };
  const needChoice = new Set(["move", "turn", "kind", "rename", "rows", "seats", "remove"]);

  host.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-act]") : null;
    const name = button?.getAttribute("data-act");
    if (name === undefined || name === null || name === "save") return;
    run(name);
  });

  function run(name) {
    if (needChoice.has(name) && chosen.size === 0) said.textContent = "Choose seats or sections first.";
    else if ([..."move turn seats".split(" ")].includes(name) && !areNumbers(name)) said.textContent = "Give numbers.";
    else acts[name]();
  }

  function areNumbers(name) {
    const names = { move: ["right", "down"], turn: ["degrees"], seats: ["seat", "step"] }[name];
    return names.every((each) => Number.isFinite(numeric(each)));
  }

  addEventListener("keydown", (event) => {
    const typing = event.target instanceof Element && event.target.closest("input:not([type=checkbox], [type=radio]), select, textarea");
    if (typing) return;
    const key = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && (key === "z" || key === "y")) {
      event.preventDefault();
      run(key === "y" || event.shiftKey ? "redo" : "undo");
    }
  });
  frame.addEventListener("keydown", (event) => {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const arrow = arrows[event.key];
    const far = event.shiftKey ? 10 : 1;
    if (arrow !== undefined && chosen.size > 0) {
      event.preventDefault();
      move(arrow[0] * NUDGE_METRES * far, arrow[1] * NUDGE_METRES * far);
    } else if (event.key === "Delete") run("remove");
    else if (event.key === "Escape") {
      chosen = new Set();
      showChoice();
    }
  });
  for (const button of host.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => {
      const factor = Number(button.getAttribute("data-zoom"));
      if (factor === 0) view.showWhole();
      else view.zoom(factor);
    });
  }

  // A section from a few numbers, which the server makes: the preview is exactly what is added ------------------

  let asked = 0;
  async function readSection() {
    const query = new URLSearchParams([...new FormData(pattern)].map(([name, text]) => [name, String(text)]));
    const response = await fetch(`${host.dataset.section}?${query}`);
    return response.ok || response.status === 422 ? response.json() : {};
  }

  function showPreview() {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("class", "preview");
    path.setAttribute("stroke-width", String(hall.pitch * 0.7));
    path.setAttribute("d", preview.map(({ x, y }) => `M${x} ${y}h.001`).join(""));
    picture.world.querySelector(".preview")?.remove();
    picture.world.append(path);
  }

  /** The whole hall, with the section that is about to be added. */
  function showAll() {
    const box = { ...hall.box };
    for (const { x, y } of preview) {
      box.left = Math.min(box.left, x - hall.pitch);
      box.right = Math.max(box.right, x + hall.pitch);
      box.top = Math.min(box.top, y - hall.pitch);
      box.bottom = Math.max(box.bottom, y + hall.pitch);
    }
    view.whole = box;
    view.showWhole();
  }

  if (pattern !== null) {
    pattern.addEventListener("input", () => {
      clearTimeout(asked);
      asked = setTimeout(async () => {
        const { section } = await readSection();
        preview = section === undefined ? [] : section.rows.flatMap((row) => row.seats);
        showPreview();
        showAll();
      }, PREVIEW_MS);
    });
    pattern.addEventListener("submit", async (event) => {
      event.preventDefault();
      clearTimeout(asked);
      const { section, errors } = await readSection();
      if (section === undefined) {
        said.textContent = (errors ?? []).map((error) => error.text).join(" ") || "The section cannot be made.";
      } else if (doc.sections.some((other) => other.name === section.name)) {
        said.textContent = `There is a section ${section.name} already: give this one another name.`;
      } else {
        preview = [];
        const before = hall.size;
        const count = section.rows.reduce((sum, row) => sum + row.seats.length, 0);
        const added = new Set(Array.from({ length: count }, (_, place) => before + place));
        apply({ ...doc, sections: [...doc.sections, section] }, `${section.name} was added.`, added);
        view.showWhole();
      }
      host.scrollIntoView({ block: "nearest" });
    });
  }

  save.addEventListener("submit", () => {
    /** @type {HTMLTextAreaElement} */ (save.elements.namedItem("map")).value = JSON.stringify(doc);
    removeEventListener("beforeunload", warn);
  });
  const warn = (event) => {
    if (doc !== first) event.preventDefault();
  };
  addEventListener("beforeunload", warn);

  new ResizeObserver(([entry]) => view.resize(entry.contentRect.width, entry.contentRect.height)).observe(frame);
  view.resize(frame.clientWidth, frame.clientHeight);
  redraw();
  requestAnimationFrame(() => {
    host.dataset.ready = "";
  });
}

/** @type {WeakMap<object, any[]>} rows of sections that did not change are not packed again */
const packed = new WeakMap();

/** @param {any} doc */
function hallOf(doc) {
  const sections = doc.sections.map((section, number) => {
    const rows = packed.get(section) ?? section.rows.map(packRow);
    packed.set(section, rows);
    for (const row of rows) row[6] = number % COLOURS.length;
    return [section.name, rows];
  });
  const shapes = (doc.shapes ?? []).map((shape) => [shape.kind, shape.text ?? "", shape.points.flatMap((each) => [cm(each.x), cm(each.y)])]);
  const focus = doc.focal_point ?? { x: 0, y: 0 };
  const zones = COLOURS.map((colour) => ({ letter: colour, colour, name: "", price: "", types: [] }));
  return new Hall({ shapes, sections, focal_point: [cm(focus.x), cm(focus.y)] }, zones);
}

/** In the compact layout (evently.seating.compact). */
function packRow(row) {
  const steps = (axis) => {
    const places = row.seats.map((seat) => cm(seat[axis]));
    return places.map((each, place) => (place === 0 ? each : each - places[place - 1]));
  };
  const kinds = row.seats.map((seat) => KINDS.indexOf(seat.kind ?? "standard")).join("");
  const labels = row.seats.map((seat) => seat.label);
  return [row.label || row.name, labels, row.seats.map((seat) => seat.id), steps("x"), steps("y"), kinds, 0];
}

const cm = (metres) => Math.round(metres * 100);
const round = (metres) => Math.round(metres * 100) / 100;

function lettersOf(ordinal, letters) {
  let name = "";
  for (let left = ordinal; left > 0; left = Math.floor((left - 1) / letters.length)) {
    name = letters[(left - 1) % letters.length] + name;
  }
  return name;
}

function ordinalOf(name, letters) {
  return [...name].reduce((sum, letter) => sum * letters.length + letters.indexOf(letter) + 1, 0);
}
