// The cards of all sensors and actuators.
import * as board from "./board.js";
import { Card, main, smart } from "./card.js";
import { spanOf } from "./chart.js";
import { arrange } from "./dom.js";
import { duration } from "./format.js";

const box = document.getElementById("cards"), more = document.getElementById("cards-more");
const step = 24; // cards at first, and more for each wish
const atOnce = 3; // cards that ask the board at the same time
const cards = new Map(); // path of an instance → card
let shown = step, drawing = false;

// redraw draws all charts before the next picture: time goes on in each of them.
function redraw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    const now = performance.now();
    // All charts show the same time.
    const span = spanOf(Math.min(...[...cards.values()].map((card) => card.begin)), now);
    document.getElementById("cards-span").textContent = cards.size > 0 ? `the last ${duration(span)}` : "";
    for (const card of cards.values()) card.draw(now, span);
  });
}

// lay makes the cards for what the board has and starts the new ones.
export async function lay(history = {}) {
  const objects = board.all().filter((o) => main(o) !== undefined);
  objects.sort((a, b) => (a.id < smart) - (b.id < smart)); // sensors first
  const wanted = objects.flatMap((o) => o.instances.map((i) => [`/${o.id}/${i}`, o, i]));
  const kept = new Set(wanted.slice(0, shown).map(([path]) => path));
  for (const [path, card] of cards) {
    if (!kept.has(path)) { card.close(); cards.delete(path); }
  }
  for (const [path, object, instance] of wanted.slice(0, shown)) {
    if (!cards.has(path)) cards.set(path, new Card(object, instance, redraw));
    cards.get(path).remember(history);
  }
  arrange(box, [...kept].map((path) => cards.get(path).root));
  more.hidden = wanted.length <= shown;
  more.textContent = `Show more of ${wanted.length} sensors and actuators`;
  redraw();
  await start([...cards.values()]);
}

async function start(all) {
  const work = async () => {
    for (let card = all.shift(); card; card = all.shift()) await card.start();
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

more.addEventListener("click", () => {
  shown += step;
  lay();
});
