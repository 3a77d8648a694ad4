// What makes pages easier: buttons at number fields, the reader's own time beside that of the venue, and today
// in a calendar. Every page works without it.

for (const stepper of document.querySelectorAll("[data-stepper]")) enhance(stepper);
for (const time of document.querySelectorAll("time[data-zone]")) showOwnTime(time);
markToday();

/**
 * Puts buttons around a number field: one fewer, one more.
 * @param {Element} stepper
 */
function enhance(stepper) {
  const input = stepper.querySelector("input");
  const name = input.getAttribute("aria-label").replace("How many ", "");
  const fewer = button("−", `One fewer ${name}`, -1);
  const more = button("+", `One more ${name}`, 1);
  stepper.classList.remove("bare");
  input.before(fewer);
  input.after(more);
  input.addEventListener("input", show);
  show();

  /** @param {string} sign @param {string} label @param {number} step */
  function button(sign, label, step) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = sign;
    made.setAttribute("aria-label", label);
    made.addEventListener("click", () => {
      if (made.getAttribute("aria-disabled") === "true") return;
      input.value = String(number() + step);
      input.dispatchEvent(new Event("input", { bubbles: true }));
    });
    return made;
  }

  function number() {
    const value = Number.parseInt(input.value, 10) || 0;
    return Math.min(Math.max(value, Number(input.min)), Number(input.max));
  }

  function show() {
    fewer.setAttribute("aria-disabled", String(number() <= Number(input.min)));
    more.setAttribute("aria-disabled", String(number() >= Number(input.max)));
    const most = input.dataset.why || `${input.max} is the most for one booking`;
    more.title = number() >= Number(input.max) ? most : "";
  }
}

/**
 * Says what the reader's clock shows at that instant, under the time at the venue, if the two differ.
 * @param {HTMLTimeElement} time
 */
function showOwnTime(time) {
  const instant = new Date(time.dateTime);
  let there;
  try {
    there = wallTime(instant, time.dataset.zone);
  } catch {
    return; // a zone that this browser does not know
  }
  const here = wallTime(instant);
  if (there.day === here.day && there.clock === here.clock) return;
  const own = document.createElement("span");
  own.className = "own-time";
  own.textContent = `${here.clock}${here.day === there.day ? "" : ` on ${here.day}`}, your time`;
  time.parentElement.append(own);
}

/** @param {Date} instant @param {string} [timeZone] by default the reader's */
function wallTime(instant, timeZone) {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    weekday: "short",
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const parts = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, value]));
  return { day: `${parts.weekday} ${parts.day} ${parts.month}`, clock: `${parts.hour}:${parts.minute}` };
}

function markToday() {
  const now = new Date();
  const today = [now.getFullYear(), now.getMonth() + 1, now.getDate()].map((n) => String(n).padStart(2, "0"));
  document.querySelector(`[data-day="${today.join("-")}"]`)?.setAttribute("aria-current", "date");
}
