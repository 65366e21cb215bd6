// Values as people read them.

const units = {
  Cel: "°C", "%RH": "% RH", "/100": "%", deg: "°", Ohm: "Ω", "Cel/min": "°C/min", m3: "m³", "m/s2": "m/s²", "W/m2": "W/m²", lat: "°", lon: "°",
};

// unit returns a unit of the registry, which are those of SenML, in plain sight.
export const unit = (u) => units[u] ?? u ?? "";

// number keeps as many digits as matter; integers are never rounded.
export function number(v, digits = 8) {
  if (Number.isInteger(v)) return String(v);
  if (Math.abs(v) >= 10 ** (digits - 1)) return String(Math.round(v));
  return String(Number(v.toPrecision(digits)));
}

// text returns a value of the board.
export function text(v, digits) {
  if (typeof v === "number") return number(v, digits);
  return String(v);
}

// withUnit adds the unit, if there is one.
export function withUnit(v, u, digits) {
  const shown = unit(u);
  return shown ? `${text(v, digits)} ${shown}` : text(v, digits);
}

const most = 160; // characters of a value in a line

// shorten returns a value as it fits into a line.
export const shorten = (text) => (text.length > most ? `${text.slice(0, most)}… (${text.length} characters)` : text);

// readable returns the text that Base64 stands for, "" if it stands for something else.
export function readable(base64) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)));
    return /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(text) ? "" : text;
  } catch {
    return ""; // no UTF-8
  }
}

export const time = (at) => new Date(at).toLocaleTimeString("en-GB");

const pad = (n) => String(n).padStart(2, "0");

// when is an instant that may be far away: of another day it has the date.
export function when(at, now = new Date()) {
  const d = new Date(at);
  if (d.toDateString() === now.toDateString()) return time(d);
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} ${pad(d.getHours())}:${pad(d.getMinutes())}`;
}

// exactTime is for messages: their order matters.
export const exactTime = (at) => `${time(at)}.${String(new Date(at).getMilliseconds()).padStart(3, "0")}`;

export function duration(seconds) {
  if (!seconds) return "never ends";
  if (seconds % 86400 === 0) return `${seconds / 86400} d`;
  if (seconds % 3600 === 0) return `${seconds / 3600} h`;
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}
