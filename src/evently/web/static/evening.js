// Keeps the page of a sale under way true, by its stream: words into their places, the bar, the curve. Without
// this script the page shows what was true when it was loaded.

import { axisIn, colourIn } from "./desk/curves.js";

const REOPEN_AFTER_MS = 8000; // after the server refused; a lost connection the browser opens again by itself
const SPREAD_MS = 4000;
const LATE_MS = 12_000; // a message comes every five seconds
const MINUTE = 60;

const panel = document.querySelector("[data-stream]");
const places = new Map([...panel.querySelectorAll("[data-evening]")].map((each) => [each.dataset.evening, each]));
const how = panel.querySelector("[data-how]");
const needs = panel.querySelector("[data-needs]");
const plot = panel.querySelector("[data-plot]");
/** @type {Map<number, number>} tickets by minute, in seconds since 1970 */
const minutes = new Map();
let tickets = 0;
let heardAt = performance.now();
let curve = null;
const timeZone = panel.dataset.zone;
const clock = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { timeZone, day: "numeric", month: "short" });

function put(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

function take(message) {
  if (message.state !== panel.dataset.state) {
    location.reload(); // another state has other parts
    return;
  }
  heardAt = performance.now();
  panel.dataset.live = "yes";
  put(how, ", live");
  for (const [place, text] of Object.entries(message.texts)) put(places.get(place), text);
  panel.querySelector("[data-sold]").setAttribute("width", message.sold_percent);
  panel.querySelector("[data-held]").setAttribute("width", message.held_percent);
  tell(message.needs);
  tickets = message.tickets;
  for (const [at, count] of message.minutes) minutes.set(Date.parse(at) / 1000, count);
  draw(Date.parse(message.at) / 1000);
}

function tell(sentences) {
  const list = needs.querySelector("ul");
  const before = [...list.querySelectorAll("li:not([data-stays])")];
  if (before.map((each) => each.textContent).join("\n") === sentences.join("\n")) return;
  for (const each of before) each.remove();
  for (const sentence of sentences) {
    const item = document.createElement("li");
    item.textContent = sentence;
    list.append(item);
  }
  needs.hidden = list.children.length === 0;
}

/** The totals at the end of each minute, and now: what uPlot draws. */
function series(now) {
  const times = [...minutes.keys()].sort((one, two) => one - two);
  let total = tickets - times.reduce((sum, at) => sum + minutes.get(at), 0);
  const x = [times[0]];
  const y = [total];
  for (const at of times) {
    if (at > x[x.length - 1]) {
      x.push(at);
      y.push(total);
    }
    total += minutes.get(at);
    x.push(Math.min(at + MINUTE, Math.max(now, at + 1)));
    y.push(total);
  }
  if (now > x[x.length - 1]) {
    x.push(now);
    y.push(total);
  }
  return [x, y];
}

/** Seconds between marks below the curve: its points are minutes, so no two marks are of the same one. */
const MARKS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 2_880, 10_080].map((each) => each * 60);

/** Steps between marks beside the curve: there is no half ticket. */
const WHOLE = Array.from({ length: 9 }, (_, tens) => [1, 2, 5].map((each) => each * 10 ** tens)).flat();

function draw(now) {
  if (minutes.size === 0 || typeof uPlot === "undefined") return;
  const data = series(now);
  if (curve !== null) {
    curve.setData(data);
    return;
  }
  const axis = axisIn(panel);
  plot.replaceChildren();
  const times = { ...axis, space: 70, incrs: MARKS, values: (_, at) => at.map(timeAt) };
  curve = new uPlot(
    {
      width: plot.clientWidth,
      height: 240,
      legend: { show: false },
      cursor: { y: false },
      scales: { y: { range: (_, least, most) => [Math.max(0, least - 1), Math.max(most, 1)] } },
      axes: [times, { ...axis, size: 56, incrs: WHOLE }],
      series: [{}, { label: "Tickets", stroke: colourIn(panel, "accent"), width: 2, points: { show: false } }],
    },
    data,
    plot,
  );
}

/** A time of day at the venue; at midnight, and for long ranges, the day. */
function timeAt(seconds) {
  const at = new Date(seconds * 1000);
  const said = clock.format(at);
  return said === "00:00" ? day.format(at) : said;
}

/** Draw anew: in other colours. */
function redraw() {
  curve?.destroy();
  curve = null;
  draw(Date.now() / 1000);
}

function open() {
  const source = new EventSource(panel.dataset.stream);
  source.addEventListener("evening", (event) => take(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(open, REOPEN_AFTER_MS + Math.random() * SPREAD_MS);
  });
}

setInterval(() => {
  const silent = performance.now() - heardAt;
  if (silent < LATE_MS) return;
  panel.dataset.live = "lost";
  put(how, `, ${Math.round(silent / 1000)} seconds ago: trying again`);
}, 1000);

const known = JSON.parse(document.getElementById("evening-data").textContent);
for (const [at, count] of known.minutes) minutes.set(Date.parse(at) / 1000, count);
tickets = known.tickets;
draw(Date.parse(known.at) / 1000);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
new ResizeObserver(() => curve?.setSize({ width: plot.clientWidth, height: 240 })).observe(plot);
open();
