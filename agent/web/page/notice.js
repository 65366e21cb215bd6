// The notice at the lower edge: what came of the last operation. It is where a
// person looks, on a phone too, and a screen reader says it.
const $ = (id) => document.getElementById(id);

const brief = 5000; // ms that good news stay
let going = 0;

export function say(text, bad = false) {
  clearTimeout(going);
  $("notice").hidden = false;
  $("notice").dataset.bad = bad;
  $("notice-text").textContent = text;
  // Bad news wait until they are read.
  if (!bad) going = setTimeout(hide, brief);
}

function hide() {
  // Who has the focus in here must not lose it.
  if ($("notice").contains(document.activeElement)) return;
  $("notice").hidden = true;
}

$("notice-close").addEventListener("click", () => {
  $("notice-close").blur();
  hide();
});
