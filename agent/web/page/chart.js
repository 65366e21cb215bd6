// The course of one value over the last minutes, as a small picture.
import { element } from "./dom.js";

export const longest = 180; // seconds that a chart shows at most
const steps = [30, 60, 120]; // seconds that charts show while they are young

// spanOf returns how many seconds a chart shows whose oldest point is of begin:
// at first a few, so that it is not almost empty.
export const spanOf = (begin, now) => steps.find((s) => now - begin < s * 1000) ?? longest;

const width = 100, height = 40, margin = 3;

// Chart draws { at (ms), value } points. A value that is on or off stays what it
// is until the next one.
export class Chart {
  #points = [];
  #steps;
  #line = element("path", { class: "line", d: "" });
  #area = element("path", { class: "area", d: "" });

  constructor(steps) {
    this.#steps = steps;
    this.root = element("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" }, this.#area, this.#line);
  }

  add(value, at) {
    this.#points.push({ at, value: Number(value) });
    const old = at - longest * 1000;
    // One point from before the left edge is kept: the line comes from there.
    while (this.#points.length > 1 && this.#points[1].at < old) this.#points.shift();
  }

  get empty() { return this.#points.length === 0; }

  // begin is the time of the oldest point.
  get begin() { return this.empty ? Infinity : this.#points[0].at; }

  // extremes returns the least and the greatest value in view.
  extremes() {
    const all = this.#points.map((p) => p.value);
    return [Math.min(...all), Math.max(...all)];
  }

  // draw draws the last span seconds.
  draw(now, span) {
    if (this.empty) return;
    const [low, high] = this.#steps ? [0, 1] : this.extremes();
    const x = (at) => Math.max(0, width * (1 - (now - at) / 1000 / span)).toFixed(1);
    const y = (v) => (high === low ? height / 2 : height - margin - ((height - 2 * margin) * (v - low)) / (high - low)).toFixed(1);
    const spots = [];
    let before = null;
    for (const p of this.#points) {
      if (this.#steps && before !== null) spots.push(`${x(p.at)},${y(before)}`);
      spots.push(`${x(p.at)},${y(p.value)}`);
      before = p.value;
    }
    spots.push(`${width},${y(before)}`);
    const line = `M${spots.join("L")}`;
    this.#line.setAttribute("d", line);
    this.#area.setAttribute("d", `${line}V${height}H${x(this.#points[0].at)}Z`);
  }
}

// Track draws where something has been, north up.
export class Track {
  #points = [];
  #line = element("path", { class: "line", d: "" });
  #here = element("path", { class: "here", d: "" });

  constructor() {
    this.root = element("svg", { viewBox: "0 0 100 100", "aria-hidden": "true", class: "track" }, this.#line, this.#here);
  }

  get empty() { return this.#points.length === 0; }

  get begin() { return Infinity; }

  add([latitude, longitude], at) {
    // A degree of longitude is shorter away from the equator.
    this.#points.push({ at, x: longitude * Math.cos((latitude * Math.PI) / 180), y: -latitude });
    if (this.#points.length > longest) this.#points.shift();
  }

  draw() {
    if (this.empty) return;
    const xs = this.#points.map((p) => p.x), ys = this.#points.map((p) => p.y);
    const side = Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys), 1e-4) * 1.2;
    const left = (Math.max(...xs) + Math.min(...xs) - side) / 2, top = (Math.max(...ys) + Math.min(...ys) - side) / 2;
    const spots = this.#points.map((p) => `${((100 * (p.x - left)) / side).toFixed(1)},${((100 * (p.y - top)) / side).toFixed(1)}`);
    this.#line.setAttribute("d", `M${spots.join("L")}`);
    this.#here.setAttribute("d", `M${spots.at(-1)}h0`);
  }
}
