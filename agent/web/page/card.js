// One card: an instance of a sensor or actuator object at a glance.
import * as board from "./board.js";
import { Chart, Track } from "./chart.js";
import { element, identify, toggle } from "./dom.js";
import { number, unit } from "./format.js";
import * as operations from "./operations.js";

// The resources that carry the main value of an object, in the order in which
// they are looked for (IPSO Smart Objects).
const mains = [5700, 5600, 5500, 5550, 5650, 5547, 5800, 5850, 5900, 5536, 5548, 5705, 5506, 5910];
export const smart = 3200; // objects below are about the device and its management
const location = 6, latitude = 0, longitude = 1;
const digits = 4; // of a value on a card
const quality = 6042; // Measurement Quality Indicator
const doubts = { 1: "invalid", 2: "stale", 3: "uncertain" }; // its values but 4, accepted

// main returns the number of the charted resource of an object, or undefined if
// its instances have no card.
export function main(object) {
  if (object.id === location) return latitude;
  if (object.id < smart) return undefined;
  return mains.find((rid) => object.resources.get(rid)?.ops.includes("R"));
}

export class Card {
  #base;
  #path;
  #definition;
  #chart;
  #isTrack;
  #binary;
  #title = element("h3", { id: identify() });
  #now = element("span", { className: "now" }, "–");
  #unit = element("span", { className: "unit" });
  #doubt = element("span", { className: "doubt", hidden: true });
  #low = element("span");
  #high = element("span");
  #switch = null;
  #live = false;
  #ends = [];

  constructor(object, instance, redraw) {
    this.#base = `/${object.id}/${instance}`;
    this.#path = `${this.#base}/${main(object)}`;
    this.#definition = board.definition(this.#path);
    this.#isTrack = object.id === location;
    this.#binary = this.#definition.type === "Boolean";
    this.#chart = this.#isTrack ? new Track() : new Chart(this.#binary);
    const value = element("p", { className: "value" }, this.#now, " ", this.#unit, " ", this.#doubt);
    if (this.#binary && this.#definition.ops.includes("W") && !board.readOnly) {
      this.#switch = toggle("", (on) => operations.set(this.#path, on));
      value.append(this.#switch);
    }
    this.root = element("article", { className: "card", "aria-labelledby": this.#title.id, "data-path": this.#base },
      this.#title, element("p", { className: "quiet" }, `${object.name} ${this.#base}`), value, this.#chart.root,
      element("p", { className: "extremes quiet" }, this.#low, this.#high));
    this.#name();
    this.#ends.push(
      board.watch(this.#isTrack ? `${this.#base}/${longitude}` : this.#path, () => { this.#add(performance.now()); redraw(); }),
      board.watch(`${this.#base}/${quality}`, redraw),
      board.watch(`${this.#base}/5701`, redraw), board.watch(`${this.#base}/5750`, () => this.#name()), board.onObserved(redraw));
  }

  // close forgets the card.
  close() {
    for (const end of this.#ends) end();
    this.root.remove();
  }

  #name() {
    this.#title.textContent = board.title(this.#base);
    this.#switch?.setAttribute("aria-label", `${board.title(this.#base)}, ${this.#definition.name}`);
  }

  #add(at) {
    const value = board.value(this.#path);
    if (value === undefined) return;
    this.#chart.add(this.#isTrack ? [value, board.value(`${this.#base}/${longitude}`)] : value, at);
  }

  // remember enters what happened before the page was opened: [ms ago, value].
  remember(history) {
    if (!this.#chart.empty) return;
    const now = performance.now();
    const other = history[`${this.#base}/${longitude}`] ?? [];
    (history[this.#path] ?? []).forEach(([ago, value], i) => {
      if (!this.#isTrack) this.#chart.add(value, now - ago);
      else if (other[i]) this.#chart.add([value, other[i][1]], now - ago);
    });
  }

  // start reads the instance once and has its value observed, unless that has
  // been done: who ends the observation does not want it back.
  async start() {
    if (this.#live) return;
    this.#live = true;
    this.root.setAttribute("aria-busy", "true");
    try {
      await operations.fetch(this.#base);
      const doubt = `${this.#base}/${quality}`;
      const paths = [board.value(doubt) !== undefined && doubt, this.#isTrack ? this.#base : this.#path];
      for (const path of paths) if (path && !board.observed.has(path)) await operations.observeQuietly(path);
    } catch (e) {
      this.#live = false; // the next load of the page's state tries again
      this.#now.textContent = "–";
      this.#low.textContent = e.message;
      this.#high.textContent = "";
    }
    this.root.removeAttribute("aria-busy");
  }

  // begin is the time of the oldest point of the chart.
  get begin() { return this.#chart.begin; }

  draw(now, span) {
    this.#chart.draw(now, span);
    const doubt = doubts[board.value(`${this.#base}/${quality}`)];
    this.#doubt.hidden = !doubt;
    if (doubt && this.#doubt.textContent !== doubt) this.#doubt.textContent = doubt;
    const value = board.value(this.#path);
    const seen = board.observed.has(this.#path) || board.observed.has(this.#base);
    if (value === undefined) {
      if (seen) this.#low.textContent = "no value yet";
      return;
    }
    this.#now.textContent = this.#shown(value);
    this.#unit.textContent = this.#binary || this.#isTrack ? "" : unit(board.unitOf(this.#path));
    this.#switch?.setAttribute("aria-checked", value === true);
    const [low, high] = this.#binary || this.#isTrack || this.#chart.empty ? ["", ""] : this.#chart.extremes();
    this.#low.textContent = seen ? low !== "" ? `min ${number(low, digits)}` : "" : "not observed";
    this.#high.textContent = seen && high !== "" ? `max ${number(high, digits)}` : "";
  }

  #shown(value) {
    if (this.#binary) return value ? "on" : "off";
    if (this.#isTrack) return `${number(value, 7)}, ${number(board.value(`${this.#base}/${longitude}`) ?? 0, 6)}`;
    return typeof value === "number" ? number(value, digits) : String(value);
  }
}
