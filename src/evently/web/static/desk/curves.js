// How the curves at the desk look: in the colours of the page, which another theme changes.

/** The colour of a variable of the style sheet, as it is inside an element. */
export function colourIn(element, name) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  element.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** What both axes of a curve in an element share. */
export function axisIn(element) {
  const line = colourIn(element, "line");
  return { stroke: colourIn(element, "soft"), grid: { stroke: line, width: 1 }, ticks: { stroke: line }, font: "12px system-ui" };
}
