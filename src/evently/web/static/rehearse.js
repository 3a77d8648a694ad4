// Keeps the page of a rehearsal current while it waits or runs, and draws its curves. Without this script the
// page loads itself again, and shows drawings of the server.

import { axisIn, colourIn } from "./desk/curves.js";

const EVERY_MS = 1000;
const AFTER_FAILURE_MS = 4000;
const HEIGHT = 190;

const panel = document.querySelector(".rehearsal");
const known = JSON.parse(document.getElementById("rehearsal-data").textContent);
const how = panel.querySelector("[data-how]");
/** @type {Map<string, uPlot>} */
const drawn = new Map();

/** Draw columns into the place of a chart: the first are seconds, the second is dashed. */
function draw(key, columns, names) {
  const place = panel.querySelector(`[data-chart="${key}"]`);
  if (place === null || typeof uPlot === "undefined" || columns[0].length < 2) return;
  const before = drawn.get(key);
  if (before !== undefined) {
    before.setData(columns);
    return;
  }
  const axis = axisIn(panel);
  const lines = [
    { label: names[0], stroke: colourIn(panel, "accent"), width: 2, points: { show: false }, spanGaps: true },
    { label: names[1], stroke: colourIn(panel, "warn"), width: 2, dash: [6, 4], points: { show: false }, spanGaps: true },
  ];
  place.replaceChildren();
  const plot = new uPlot(
    {
      width: place.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false },
      scales: { x: { time: false }, y: { range: (_, least, most) => [0, Math.max(most, 1)] } },
      axes: [{ ...axis, values: (_, at) => at.map((each) => `${each} s`) }, { ...axis, size: 56 }],
      series: [{}, ...lines.slice(0, columns.length - 1)],
    },
    columns,
    place,
  );
  drawn.set(key, plot);
}

function drawAll() {
  const line = known.timeline;
  if (line !== null) {
    draw("sold", [line.at, line.sold], ["sold"]);
    draw("answers", [line.at, line.booked, line.refused], ["bookings", "refusals"]);
    const waits = [line.p50_ms, line.p99_ms].map((each) => each.map((ms) => (ms === 0 ? null : ms))); // nobody booked
    draw("waits", [line.at, ...waits], ["half of all", "99 of 100"]);
  }
  const curve = known.curve;
  draw("live", [0, 1, 2].map((column) => curve.map((each) => each[column])), ["sold", "refusals"]);
}

function take(progress) {
  const wasThere = panel.querySelector("[data-rehearsal]") !== null;
  const isThere = Object.keys(progress.texts).length > 0;
  if (progress.state !== panel.dataset.state || wasThere !== isThere) {
    location.reload(); // another state has other parts
    return;
  }
  panel.dataset.live = "yes";
  how.textContent = "";
  for (const [place, text] of Object.entries(progress.texts)) {
    const element = panel.querySelector(`[data-rehearsal="${place}"]`);
    if (element && element.textContent !== text) element.textContent = text;
  }
  panel.querySelector("[data-sold]")?.setAttribute("width", progress.sold_percent);
  known.curve = progress.curve;
  drawAll();
}

async function follow() {
  let wait = EVERY_MS;
  try {
    const answer = await fetch(panel.dataset.follow, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    take(await answer.json());
  } catch {
    panel.dataset.live = "lost";
    how.textContent = "No answer at the moment; trying again.";
    wait = AFTER_FAILURE_MS;
  }
  setTimeout(follow, wait);
}

function redraw() {
  for (const plot of drawn.values()) plot.destroy();
  drawn.clear();
  drawAll();
}

drawAll();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
new ResizeObserver(() => {
  for (const plot of drawn.values()) plot.setSize({ width: plot.root.parentElement.clientWidth, height: HEIGHT });
}).observe(panel);
if (panel.dataset.follow !== undefined) setTimeout(follow, EVERY_MS);
