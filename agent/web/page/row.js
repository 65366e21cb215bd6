// One resource of an instance: its name and value, what is done most, and behind
// its name all the rest.
import { askAttributes } from "./attributes.js";
import * as board from "./board.js";
import { ask } from "./dialog.js";
import { button, element, identify, toggle } from "./dom.js";
import { readable, shorten, unit, withUnit } from "./format.js";
import * as operations from "./operations.js";

const fresh = 600; // ms that a new value is marked

export class Row {
  #path;
  #definition;
  #attributes = [];
  #label;
  #discover;
  #value = element("span", { className: "value" });
  #badge = element("span", { className: "badge", hidden: true }, "observed");
  #panel = element("div", { className: "panel", id: identify(), hidden: true });
  #facts = element("p", { className: "quiet" });
  #whole = element("div", { className: "whole", hidden: true, tabIndex: 0, role: "region" });
  #opener;
  #switch = null;
  #observe = null;
  #ends = [];
  #marked = 0;

  // discover reads attributes anew.
  constructor(path, discover) {
    this.#path = path;
    this.#discover = discover;
    this.#definition = board.definition(path);
    this.#label = board.nameOf(path);
    this.#opener = element("button", { type: "button", className: "opener", "aria-expanded": "false", "aria-controls": this.#panel.id },
      this.#definition.name, element("span", { className: "quiet" }, ` ${this.#definition.id}`));
    this.#opener.addEventListener("click", () => this.#open(this.#panel.hidden));
    this.root = element("li", { className: "row", "data-path": path },
      element("div", { className: "line" }, element("span", { className: "name" }, this.#opener, this.#badge), this.#value, this.#quick()),
      this.#panel);
    this.#ends.push(board.watch(path, () => this.show(true)), board.onObserved(() => this.#showObserved()));
    const units = `${board.instancePath(path)}/5701`;
    if (units !== path) this.#ends.push(board.watch(units, () => this.show(false)));
    this.show(false);
  }

  close() {
    for (const end of this.#ends) end();
    clearTimeout(this.#marked);
  }

  get id() { return this.#definition.id; }

  get words() { return `${this.#definition.name} ${this.#definition.id}`.toLowerCase(); }

  // can says whether an operation is offered.
  #can(operation) { return this.#definition.ops.includes(operation) && (operation === "R" || !board.readOnly); }

  // quick is what stays in sight: only what changes something.
  #quick() {
    const box = element("span", { className: "actions" });
    if (this.#can("W") && this.#definition.type === "Boolean" && !this.#definition.multiple && this.#can("R")) {
      this.#switch = toggle(this.#label, (on) => operations.set(this.#path, on));
      box.append(this.#switch);
    } else if (this.#can("W")) {
      box.append(button("Write", `Write ${this.#label}`, () => this.#write()));
    } else if (this.#can("E")) {
      box.append(button("Execute", `Execute ${this.#label}`, () => this.#execute()));
    }
    return box;
  }

  #open(on) {
    this.#opener.setAttribute("aria-expanded", on);
    this.#panel.hidden = !on;
    if (on && this.#panel.childElementCount === 0) this.#fill();
    this.#showWhole();
  }

  // fill makes the panel when it is first opened.
  #fill() {
    const actions = element("div", { className: "actions" });
    if (this.#can("R")) {
      actions.append(button("Read", `Read ${this.#label}`, () => operations.read(this.#path)));
      this.#observe = button("", "", () => (board.observed.has(this.#path) ? operations.cancel(this.#path) : operations.observe(this.#path)));
      actions.append(this.#observe);
    }
    if (this.#can("W")) actions.append(button("Write", `Write ${this.#label}`, () => this.#write()));
    if (this.#can("E")) actions.append(button("Execute", `Execute ${this.#label}`, () => this.#execute()));
    if (this.#can("R") && !board.direct && !board.readOnly) actions.append(button("Attributes", `Attributes of ${this.#label}`, () => this.#writeAttributes()));
    this.#whole.setAttribute("aria-label", `Whole value of ${this.#label}`);
    this.#panel.append(this.#facts, this.#whole, actions);
    this.#showFacts();
    this.#showObserved();
  }

  #showFacts() {
    const d = this.#definition;
    const operations = { R: "can be read", W: "can be written", RW: "can be read and written", E: "can be executed" };
    this.#facts.textContent = [this.#path, d.type, d.multiple && "several values", d.range && `range ${d.range}`, operations[d.ops],
      this.#attributes.length > 0 && `attributes ${this.#attributes.join(" ")}`].filter(Boolean).join(" · ");
  }

  attributes(list) {
    this.#attributes = list;
    this.#showFacts();
  }

  show(isNew) {
    const value = board.value(this.#path);
    if (this.#definition.multiple || value !== undefined) this.#value.textContent = shorten(this.#text());
    this.#showWhole();
    this.#switch?.setAttribute("aria-checked", value === true);
    this.#showObserved();
    if (!isNew) return;
    this.#value.classList.add("new");
    clearTimeout(this.#marked);
    this.#marked = setTimeout(() => this.#value.classList.remove("new"), fresh);
  }

  // text is the value as it is, however long.
  #text() {
    const shownUnit = board.unitOf(this.#path);
    if (!this.#definition.multiple) return withUnit(board.value(this.#path) ?? "", shownUnit);
    return board.instances(this.#path).map(([riid, v]) => `${riid}: ${withUnit(v, shownUnit)}`).join(", ");
  }

  // showWhole shows in the panel what the line has no room for, and bytes that are text, such as a log, as text.
  #showWhole() {
    if (this.#panel.hidden) return;
    const text = this.#text();
    const said = this.#definition.type === "Opaque" && !this.#definition.multiple ? readable(text) : "";
    this.#whole.textContent = said || (shorten(text) !== text ? text : "");
    this.#whole.hidden = this.#whole.textContent === "";
  }

  #showObserved() {
    const on = board.observed.has(this.#path);
    this.#badge.hidden = !on;
    if (!this.#observe) return;
    this.#observe.textContent = on ? "Stop observing" : "Observe";
    this.#observe.setAttribute("aria-label", `${on ? "Stop observing" : "Observe"} ${this.#label}`);
  }

  #write() {
    const { type, range, multiple } = this.#definition;
    const hint = [type + ({ Opaque: " in Base64", Time: " such as 2030-12-31T23:59:59Z", Objlnk: " such as 3:0" }[type] ?? ""), range, board.unitOf(this.#path)];
    const fields = [{ name: "value", label: `New value (${hint.filter(Boolean).join(", ")})`, type, value: board.value(this.#path) }];
    if (multiple) fields.unshift({ name: "instance", label: "Resource instance (number)", type: "Integer", value: board.instances(this.#path)[0]?.[0] ?? 0 });
    ask(`Write ${this.#label}`, this.#path, fields, ({ value, instance }) => {
      if (multiple && !/^\d+$/.test(instance)) throw new Error(`"${instance}" is no number of a resource instance`);
      return operations.write(multiple ? `${this.#path}/${instance}` : this.#path, value);
    });
  }

  #execute() {
    const field = { name: "arguments", label: "Arguments, such as 0='a',1 (may be empty)", type: "String" };
    ask(`Execute ${this.#label}`, this.#path, [field], (v) => operations.execute(this.#path, v.arguments));
  }

  #writeAttributes() {
    const numeric = ["Integer", "Unsigned Integer", "Float", "Time"].includes(this.#definition.type);
    const kind = { binary: this.#definition.type === "Boolean", numeric, measure: unit(board.unitOf(this.#path)) };
    askAttributes(`Attributes of ${this.#label}`, this.#path, this.#attributes, kind, this.#discover);
  }
}
