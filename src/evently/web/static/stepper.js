// Puts buttons around number fields: one fewer, one more. Without this script the fields work as they are.

for (const stepper of document.querySelectorAll("[data-stepper]")) enhance(stepper);

/** @param {Element} stepper */
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
    more.title = number() >= Number(input.max) ? `${input.max} is the most for one booking` : "";
  }
}
