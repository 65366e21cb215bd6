// element makes an element with properties, attributes (names with a dash, role)
// and children. Text goes in as text: nothing from the board is ever markup.
export function element(tag, properties = {}, ...children) {
  const svg = ["svg", "polyline", "title"].includes(tag);
  const e = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (svg || name.includes("-") || name === "role" || name === "for") e.setAttribute(name, value);
    else e[name] = value;
  }
  e.append(...children);
  return e;
}

export function button(text, label, onclick) {
  return element("button", { type: "button", onclick, "aria-label": label }, text);
}

const notice = document.getElementById("notice");

export function say(text, bad = false) {
  notice.textContent = text;
  notice.dataset.bad = bad;
}
