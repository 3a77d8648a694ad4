// Keeps the counters of the desk's door page current: asks every three seconds for what has changed.

const PAUSE_MS = 3_000;
const box = document.querySelector("[data-door-counters]");
const tiles = [...box.querySelectorAll(".tile .figure")];
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
    if (tiles[place]) tiles[place].textContent = figure.toLocaleString("en-US");
  }
  if (conflicts !== null && counted.conflicts > conflicts) showNews();
  conflicts = counted.conflicts;
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
