import { element } from "./dom.js";

const $ = (id) => document.getElementById(id);
const dialog = $("dialog");
let send = async () => {};

// ask opens the dialog with a field for each of fields ({name, label, type,
// value}) and calls f with their texts; an error stays in the dialog.
export function ask(title, help, fields, f) {
  $("dialog-title").textContent = title;
  $("dialog-help").textContent = help;
  $("dialog-error").textContent = "";
  $("dialog-fields").replaceChildren(...fields.map(draw));
  send = () => f(Object.fromEntries(fields.map(({ name }) => [name, $(`field-${name}`).value.trim()])));
  dialog.showModal();
  $("dialog-fields").querySelector("input, select, textarea")?.focus();
}

function draw({ name, label, type, value }) {
  const id = `field-${name}`;
  let input;
  if (type === "Boolean") {
    input = element("select", { id }, element("option", { value: "true" }, "on (true)"), element("option", { value: "false" }, "off (false)"));
    input.value = String(value !== true);
  } else {
    input = element("input", { id, autocomplete: "off", inputMode: ["Integer", "Unsigned Integer", "Float"].includes(type) ? "decimal" : "text" });
    input.value = value ?? "";
  }
  return element("label", { for: id }, label, input);
}

$("dialog").querySelector("form").addEventListener("submit", async (e) => {
  e.preventDefault();
  $("dialog-ok").disabled = true;
  try {
    await send();
    dialog.close();
  } catch (error) {
    $("dialog-error").textContent = error.message;
  } finally {
    $("dialog-ok").disabled = false;
  }
});
$("dialog-cancel").addEventListener("click", () => dialog.close());
