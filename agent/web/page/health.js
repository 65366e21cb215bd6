// What is wrong with the gateway, and what to do about it.
import { element, identify } from "./dom.js";
import { when } from "./format.js";

const $ = (id) => document.getElementById(id);
let last = 0, said = "";

// take shows what was wrong at a turn, unless something later is known.
export function take(troubles, turn) {
  if (turn < last) return;
  last = turn;
  const kinds = new Map(troubles.map((t) => [t.code, []]));
  for (const t of troubles) kinds.get(t.code).push(t);
  $("troubles").hidden = troubles.length === 0;
  $("troubles-list").replaceChildren(...[...kinds.values()].map(draw));
  say(troubles);
}

// say puts it into the head in a few words; the same words again would be read out again.
function say(troubles) {
  const count = (severity) => {
    const n = troubles.filter((t) => t.severity === severity).length;
    return n > 0 && `${n} ${severity}${n > 1 ? "s" : ""}`;
  };
  const words = ["error", "warning", "notice"].map(count).filter(Boolean).join(", ");
  if (words === said && $("health").hasChildNodes()) return;
  said = words;
  $("health").dataset.bad = troubles.some((t) => t.severity === "error");
  $("health").replaceChildren("Health: ", words ? element("a", { href: "#troubles-title" }, words) : "no troubles");
}

// draw is one kind of trouble, with all that have it: what to do is the same for each.
function draw(troubles) {
  const [{ severity, text, code, remedy }] = troubles;
  const title = identify();
  return element("article", { className: "trouble", "aria-labelledby": title, "data-severity": severity },
    element("h3", { id: title }, element("span", { className: "severity" }, severity), " ", text, element("span", { className: "quiet" }, ` ${code}`)),
    element("ul", {}, ...troubles.map(one)),
    element("p", {}, element("strong", {}, "What to do: "), ...worded(remedy)));
}

// worded is a text in which what stands between backquotes is to be typed or read as it is.
const worded = (text) => text.split("`").map((part, i) => (i % 2 ? element("code", {}, part) : part));

function one({ subject, on, since, detail }) {
  return element("li", {}, on ? element("strong", {}, `${subject} ${on}`) : "", element("span", { className: "quiet" }, ` since ${when(since)}`),
    detail ? element("p", {}, detail) : "");
}
