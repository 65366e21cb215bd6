import { element } from "./dom.js";

const $ = (id) => document.getElementById(id);
const panel = $("wire"), list = $("messages"), toggle = $("wire-toggle"), pause = $("wire-pause");
const most = 300; // messages kept

export function add(m) {
  if (pause.getAttribute("aria-pressed") === "true") return;
  list.prepend(draw(m));
  while (list.children.length > most) list.lastChild.remove();
}

function draw(m) {
  const target = [m.path, m.query && `?${m.query}`].filter(Boolean).join("");
  const payload = m.values?.map((v) => `${v.path} = ${v.value}`).join("\n") || m.text;
  const li = element("li", {},
    element("div", { className: "line" },
      element("span", { className: "dim" }, m.time.slice(11, 23)),
      element("span", {}, m.sent ? "board → server" : "server → board"),
      element("span", { className: "code" }, m.code),
      element("span", {}, target),
      element("span", { className: "dim" }, `${m.type} ${m.id}${m.token ? ` token ${m.token}` : ""} ${m.options} ${m.size} B${m.protected ? ", in DTLS" : ""}`)));
  if (m.format) li.append(element("div", { className: "dim" }, m.format));
  if (payload) li.append(element("code", {}, payload));
  return li;
}

function open(on) {
  panel.hidden = !on;
  toggle.setAttribute("aria-expanded", on);
  (on ? $("wire-close") : toggle).focus();
}

toggle.addEventListener("click", () => open(panel.hidden));
$("wire-close").addEventListener("click", () => open(false));
panel.addEventListener("keydown", (e) => { if (e.key === "Escape") open(false); });
$("wire-clear").addEventListener("click", () => list.replaceChildren());
pause.addEventListener("click", () => pause.setAttribute("aria-pressed", pause.getAttribute("aria-pressed") !== "true"));
