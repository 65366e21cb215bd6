import { element } from "./dom.js";

const points = 120; // of a chart; older ones fall out
const cards = new Map(); // path of the charted resource → card

// sensor objects show one of these resources, the first that they have
const main = [5700, 5500, 5501, 5547, 5550, 5850, 5851];
const units = "5701";

const box = document.getElementById("sensors");

// lay makes a card for each instance of a sensor object and returns the paths
// that the cards want to be observed.
export function lay(objects) {
  const wanted = [];
  const kept = new Set();
  for (const object of objects.filter((o) => o.id >= 3200 && o.id < 3460)) {
    for (const instance of object.instances) {
      const r = main.map((id) => instance.resources.find((x) => x.id === id)).find((x) => x && x.ops.includes("R"));
      if (!r) continue;
      const base = `/${object.id}/${instance.id}`;
      const path = `${base}/${r.id}`;
      kept.add(path);
      wanted.push({ path, base });
      if (!cards.has(path)) cards.set(path, make(`${object.name} ${instance.id}`, r));
    }
  }
  for (const [path, card] of cards) {
    if (!kept.has(path)) { card.root.remove(); cards.delete(path); }
  }
  box.replaceChildren(...wanted.map(({ path }) => cards.get(path).root));
  return wanted.map(({ path }) => path);
}

function make(title, r) {
  const card = { values: [], unit: r.unit, binary: r.type === "Boolean" };
  card.now = element("span", {}, "–");
  card.unitText = element("small", {}, "");
  card.line = element("polyline", { points: "" });
  card.low = element("span");
  card.high = element("span");
  card.root = element("article", { className: "card" },
    element("h3", {}, title),
    element("div", { className: "now" }, card.now, " ", card.unitText),
    element("svg", { viewBox: "0 0 120 32", preserveAspectRatio: "none", role: "img", "aria-hidden": "true" }, card.line),
    element("div", { className: "span" }, card.low, card.high));
  return card;
}

export function unit(path, text) {
  for (const [p, card] of cards) if (`${p.slice(0, p.lastIndexOf("/"))}/${units}` === path) { card.unit = text; draw(card); }
}

export function add(path, value) {
  const card = cards.get(path);
  if (!card) return;
  card.values.push(Number(value));
  if (card.values.length > points) card.values.shift();
  draw(card);
}

function draw(card) {
  if (card.values.length === 0) return;
  const last = card.values.at(-1);
  card.now.textContent = card.binary ? (last ? "on" : "off") : String(Number(last.toPrecision(6)));
  card.unitText.textContent = card.unit ?? "";
  const low = Math.min(...card.values), high = Math.max(...card.values);
  const height = (v) => (high === low ? 16 : 30 - (28 * (v - low)) / (high - low));
  card.line.setAttribute("points", card.values.map((v, i) => `${i + points - card.values.length},${height(v).toFixed(1)}`).join(" "));
  if (!card.binary) {
    card.low.textContent = `min ${Number(low.toPrecision(5))}`;
    card.high.textContent = `max ${Number(high.toPrecision(5))}`;
  }
}
