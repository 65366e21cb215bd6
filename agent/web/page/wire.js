// The messages on the wire, decoded, in a panel at the side.
import * as board from "./board.js";
import { element } from "./dom.js";
import { exactTime, withUnit } from "./format.js";

const $ = (id) => document.getElementById(id);
const panel = $("wire"), list = $("messages"), toggle = $("wire-toggle"), pause = $("wire-pause"), notify = $("wire-notify");
const most = 150; // messages that are kept, of notifications and of all others
const kept = { notify: [], other: [] }; // the oldest first

// add takes a message. Those that come while the panel is closed are drawn when
// it is opened.
export function add(m) {
  if (pause.getAttribute("aria-pressed") === "true") return;
  const entry = { m, root: null };
  const kind = kept[m.operation === "Notify" ? "notify" : "other"];
  kind.push(entry);
  if (kind.length > most) kind.shift().root?.remove();
  if (!panel.hidden && visible(entry)) list.prepend(draw(entry));
}

const visible = ({ m }) => notify.checked || m.operation !== "Notify";

function drawAll() {
  const all = [...kept.notify, ...kept.other].filter(visible).sort((a, b) => b.m.time.localeCompare(a.m.time));
  list.replaceChildren(...all.map((entry) => entry.root ?? draw(entry)));
}

function draw(entry) {
  const { m } = entry;
  const way = m.sent ? "board to server" : "server to board";
  entry.root = element("li", { className: m.sent ? "sent" : "received" }, element("details", {},
    element("summary", {},
      element("span", { className: "way", role: "img", "aria-label": way, title: way }, m.sent ? "↑" : "↓"),
      element("span", { className: "said" }, element("strong", {}, title(m)), " ", headline(m)),
      element("time", { className: "quiet", dateTime: m.time }, exactTime(m.time))),
    element("dl", {}, ...facts(m).map(([term, text]) => element("div", {}, element("dt", {}, term), element("dd", {}, text))))));
  return entry.root;
}

// title is the operation; that of an answer is its code.
function title(m) {
  if (m.answer) return m.code;
  return m.operation || m.code;
}

function headline(m) {
  const target = m.path && m.path !== "/" ? m.path : "";
  const about = m.answer ? [`to ${m.operation}`, target] : [target];
  if (m.values?.length === 1 && !m.text) about.push(`= ${withUnit(m.values[0].value, unit(m.values[0].path))}`);
  else if (m.values) about.push(`(${m.values.length} values)`);
  else if (m.operation === "Execute" && m.text) about.push(m.text);
  else if (m.code.startsWith("4.") || m.code.startsWith("5.")) about.push(m.text ?? "");
  if (m.operation === "Write-Attributes" && !m.answer) about.push(m.query);
  return about.filter(Boolean).join(" ");
}

const unit = (path) => (board.parts(path).length > 2 ? board.unitOf(path) : "");

function facts(m) {
  return [
    ["Direction", m.sent ? "board → server" : "server → board"],
    ["Message", [m.code, m.type, `message ID ${m.id}`, m.token && `token ${m.token}`].filter(Boolean).join(", ")],
    ["Path", [m.path, board.nameOf(m.path ?? "")].filter(Boolean).join(" – ")],
    ["Query", m.query],
    ["Options", m.options],
    ["Format", m.format],
    ["Values", m.values?.map((v) => `${v.path} = ${withUnit(v.value, unit(v.path))}`).join("\n")],
    ["Payload", m.text],
    ["Size", `${m.size} bytes${m.protected ? ", inside DTLS" : ", not encrypted"}`],
  ].filter(([, text]) => text);
}

function open(on) {
  panel.hidden = !on;
  toggle.setAttribute("aria-expanded", on);
  document.body.classList.toggle("with-wire", on);
  if (on) drawAll();
  (on ? $("wire-close") : toggle).focus();
}

toggle.addEventListener("click", () => open(panel.hidden));
$("wire-close").addEventListener("click", () => open(false));
panel.addEventListener("keydown", (e) => { if (e.key === "Escape") open(false); });
notify.addEventListener("change", drawAll);
$("wire-clear").addEventListener("click", () => {
  kept.notify = [];
  kept.other = [];
  drawAll();
});
pause.addEventListener("click", () => pause.setAttribute("aria-pressed", pause.getAttribute("aria-pressed") !== "true"));
