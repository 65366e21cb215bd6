// Making elements.

const svgTags = new Set(["svg", "path"]);

// element makes an element with properties, attributes (names with a dash, role,
// for) and children. Text goes in as text: nothing from the board is ever markup.
export function element(tag, properties = {}, ...children) {
  const svg = svgTags.has(tag);
  const e = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (svg || name.includes("-") || name === "role" || name === "for") e.setAttribute(name, value);
    else e[name] = value;
  }
  e.append(...children);
  return e;
}

// button makes a button. label is what a screen reader says: it begins with the
// text and says of what. While the work of a click goes on, further clicks do
// nothing; the button is not disabled, because it would lose the focus.
export function button(text, label, work) {
  const b = element("button", { type: "button", "aria-label": label }, text);
  b.addEventListener("click", async () => {
    if (b.getAttribute("aria-busy") === "true") return;
    b.setAttribute("aria-busy", "true");
    try {
      await work();
    } finally {
      b.removeAttribute("aria-busy");
    }
  });
  return b;
}

// toggle makes a switch for something that is on or off. state is null while it
// is not known.
export function toggle(label, set) {
  const b = button("", label, () => set(b.getAttribute("aria-checked") !== "true"));
  b.className = "switch";
  b.setAttribute("role", "switch");
  b.setAttribute("aria-checked", "false");
  return b;
}

// arrange puts elements into a box in order. Only what is not in its place is
// moved: what is moved loses the focus.
export function arrange(box, elements) {
  let before = null;
  for (const e of elements) {
    const place = before ? before.nextSibling : box.firstChild;
    if (place !== e) box.insertBefore(e, place);
    before = e;
  }
}

// identify makes identifiers for elements that point to each other.
let last = 0;
export const identify = () => `e${++last}`;
