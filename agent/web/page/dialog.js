// The dialog in which a person fills in what an operation needs.
import { element } from "./dom.js";

const $ = (id) => document.getElementById(id);
const dialog = $("dialog");
let send = async () => {};

// ask opens the dialog with fields ({ name, label, type, value, hint }) and calls
// f with their texts. It stays open, with the reason, as long as f fails.
export function ask(title, help, fields, f) {
  $("dialog-title").textContent = title;
  $("dialog-help").textContent = help;
  $("dialog-error").textContent = "";
  $("dialog-fields").replaceChildren(...fields.map(draw));
  send = () => f(Object.fromEntries(fields.map(({ name }) => [name, $(`field-${name}`).value.trim()])));
  dialog.showModal();
  $("dialog-fields").querySelector("input, select")?.focus();
}

function draw({ name, label, type, value }) {
  const id = `field-${name}`;
  const input = type === "Boolean"
    ? element("select", { id }, element("option", { value: "true" }, "on (true)"), element("option", { value: "false" }, "off (false)"))
    : element("input", { id, autocomplete: "off", spellcheck: false });
  // Who writes a switch most likely wants to turn it.
  input.value = type === "Boolean" ? String(value !== true) : (value ?? "");
  return element("label", { for: id }, label, input);
}

dialog.querySelector("form").addEventListener("submit", async (e) => {
  e.preventDefault();
  const ok = $("dialog-ok");
  if (ok.getAttribute("aria-busy") === "true") return;
  ok.setAttribute("aria-busy", "true");
  $("dialog-error").textContent = "";
  try {
    await send();
    dialog.close();
  } catch (error) {
    $("dialog-error").textContent = error.message;
  } finally {
    ok.removeAttribute("aria-busy");
  }
});
$("dialog-cancel").addEventListener("click", () => dialog.close());
