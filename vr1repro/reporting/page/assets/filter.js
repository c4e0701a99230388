// Filters a table's rows in place: a form with data-filter="<table>", its inputs named by data-key. A key is a data
// attribute of the rows, or `q` for their text. Buttons with the same key and a data-value are switches.
"use strict";

for (const form of document.querySelectorAll("[data-filter]")) {
  const rows = [...document.getElementById(form.dataset.filter).tBodies[0].rows];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const inputs = [...form.querySelectorAll("select[data-key], input[data-key]")];
  const buttons = [...form.querySelectorAll("button[data-key]")];
  const shown = form.querySelector(".shown");
  const pressed = (button) => button.getAttribute("aria-pressed") === "true";
  const press = (button, on) => button.setAttribute("aria-pressed", String(on));

  const fits = (k, skipped = "") =>
    inputs.every(({ dataset: { key }, value }) =>
      key === "q" ? texts[k].includes(value.trim().toLowerCase()) : !value || rows[k].dataset[key] === value) &&
    (skipped === "buttons" || !buttons.some(pressed) ||
      buttons.some((button) => pressed(button) && rows[k].dataset[button.dataset.key] === button.dataset.value));

  function apply() {
    let visible = 0;
    const counts = new Map();
    rows.forEach((row, k) => {
      row.hidden = !fits(k);
      visible += row.hidden ? 0 : 1;
      if (buttons.length && fits(k, "buttons")) {
        const value = row.dataset[buttons[0].dataset.key];
        counts.set(value, (counts.get(value) ?? 0) + 1);
      }
    });
    for (const button of buttons) {
      const found = counts.get(button.dataset.value) ?? 0;
      button.querySelector(".count").textContent = found;
      button.hidden = !found && !pressed(button);
    }
    shown.textContent = `${visible} of ${rows.length} shown`;
  }

  function save() {
    const parameters = vr1.state.read();
    for (const { dataset: { key }, value } of inputs) parameters.set(key, value);
    for (const { dataset: { key } } of buttons) parameters.delete(key);
    for (const button of buttons.filter(pressed)) parameters.append(button.dataset.key, button.dataset.value);
    for (const [key, value] of [...parameters]) if (!value && key !== "class") parameters.delete(key);
    vr1.state.write(parameters);
  }

  function restore() {
    const parameters = vr1.state.read();
    const start = new URLSearchParams(form.dataset.start ?? "");
    for (const input of inputs) {
      const { key } = input.dataset;
      input.value = parameters.get(key) ?? start.get(key) ?? "";
    }
    for (const button of buttons) press(button, parameters.getAll(button.dataset.key).includes(button.dataset.value));
    apply();
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  for (const name of ["input", "change"]) form.addEventListener(name, () => { apply(); save(); });
  for (const button of buttons) {
    button.addEventListener("click", () => { press(button, !pressed(button)); apply(); save(); });
  }
  window.addEventListener("hashchange", restore);
  form.hidden = false;
  restore();
}
