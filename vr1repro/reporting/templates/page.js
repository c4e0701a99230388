"use strict";
(() => {
  const table = document.getElementById("numbers");
  if (!table) return;
  const rows = [...table.tBodies[0].rows];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const inputs = ["class", "verdict", "search"].map((name) => document.getElementById("filter-" + name));
  const shown = document.getElementById("shown");
  const apply = () => {
    const [kind, verdict, search] = inputs.map((input) => input.value.toLowerCase());
    let count = 0;
    rows.forEach((row, k) => {
      const fits = (!kind || row.dataset.class === kind) && (!verdict || row.dataset.verdict === verdict)
        && texts[k].includes(search);
      row.hidden = !fits;
      count += fits ? 1 : 0;
    });
    shown.textContent = `${count} of ${rows.length} shown`;
  };
  inputs.forEach((input) => input.addEventListener("input", apply));
  document.getElementById("controls").hidden = false;
  apply();
})();
