// Keeps the desk's door page current: the counters, the gates, the minutes. Asks every three seconds for what has
// changed.

const PAUSE_MS = 3_000;
const MINUTES = 60;
const SVG = "http://www.w3.org/2000/svg";
const box = document.querySelector("[data-door-counters]");
const tiles = [...box.querySelectorAll(".tile .figure")];
const gates = document.querySelector("[data-gates]");
const minutes = document.querySelector("[data-minutes]");
const clock = new Intl.DateTimeFormat("en-GB", { timeZone: box.dataset.zone, hour: "2-digit", minute: "2-digit" });
let etag = null;
let conflicts = null;

setInterval(() => document.visibilityState === "visible" && read().catch(() => {}), PAUSE_MS);

async function read() {
  const headers = etag ? { "if-none-match": etag } : {};
  const answer = await fetch(box.dataset.doorCounters, { headers, redirect: "manual", cache: "no-store" });
  if (!answer.ok) return; // the same as before, or not reached: the figures stay
  etag = answer.headers.get("etag");
  const counted = await answer.json();
  const figures = [counted.checked_in, counted.inside, counted.conflicts];
  for (const [place, figure] of figures.entries()) {
    if (tiles[place]) tiles[place].textContent = number(figure);
  }
  showGates(counted.gates);
  showMinutes(counted.minutes, Number(answer.headers.get("evently-now")) || Date.now());
  if (conflicts !== null && counted.conflicts > conflicts) showNews();
  conflicts = counted.conflicts;
}

function number(figure) {
  return figure.toLocaleString("en-US");
}

function showGates(counted) {
  gates.querySelector("tbody").replaceChildren(...counted.map(gateRow));
  gates.hidden = !counted.length;
  document.querySelector("[data-no-scans]").hidden = counted.length > 0;
}

function gateRow(each) {
  const row = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.append(document.createElement("bdi"));
  head.firstChild.textContent = each.gate || "No gate";
  row.append(head);
  for (const [label, figure] of [["In", each.admitted], ["Out", each.came_out], ["Stopped", each.refused]]) {
    row.append(cell(label, number(figure), "end"));
  }
  row.append(cell("Last scan", clock.format(Date.parse(each.last_at)), ""));
  return row;
}

function cell(label, text, kind) {
  const made = document.createElement("td");
  made.dataset.label = label;
  made.className = kind;
  made.textContent = text;
  return made;
}

function showMinutes(counted, now) {
  const first = (Math.floor(now / 60_000) - MINUTES + 1) * 60_000;
  const shown = counted.filter((each) => Date.parse(each.at) >= first);
  const most = Math.max(0, ...shown.map((each) => each.admitted));
  minutes.hidden = !shown.length;
  minutes.querySelector("[data-most]").textContent = String(most);
  minutes.querySelector("svg").replaceChildren(
    ...shown.map((each) => {
      const height = (12 * each.admitted) / (most || 1);
      const bar = document.createElementNS(SVG, "rect");
      const sides = { x: (Date.parse(each.at) - first) / 60_000, y: 12 - height, width: 0.8, height };
      for (const [name, value] of Object.entries(sides)) bar.setAttribute(name, String(value));
      return bar;
    }),
  );
}

function showNews() {
  if (document.querySelector("[data-news]")) return;
  const note = document.createElement("div");
  note.className = "note warn";
  note.dataset.news = "";
  note.setAttribute("role", "status");
  note.innerHTML = '<p><b>There is a new conflict.</b> <a href="">Load the page again</a> to see it.</p>';
  box.after(note);
}
