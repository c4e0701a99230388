// A list of any length: only the rows in view are in the document. A listbox for keyboards and screen readers.
"use strict";

vr1.list = (box, { render, choose }) => {
  const HEIGHT = 62; // as in report.css
  const SPARE = 6;
  const space = vr1.make("div", { class: "space", role: "presentation" });
  box.append(space);
  let rows = [];
  let current = -1;
  let shown = [-1, -1];

  function draw() {
    const first = Math.max(0, Math.floor(box.scrollTop / HEIGHT) - SPARE);
    const last = Math.min(rows.length, Math.ceil((box.scrollTop + box.clientHeight) / HEIGHT) + SPARE);
    if (first === shown[0] && last === shown[1]) return;
    shown = [first, last];
    const items = [];
    for (let k = first; k < last; k += 1) {
      const item = vr1.make("div", {
        class: "item", role: "option", id: `row-${k}`, "aria-selected": String(k === current),
        "aria-setsize": rows.length, "aria-posinset": k + 1, onclick: () => { move(k); choose(rows[k]); },
      }, render(rows[k]));
      item.style.transform = `translateY(${k * HEIGHT}px)`;
      items.push(item);
    }
    space.replaceChildren(...items);
  }

  function redraw() {
    shown = [-1, -1];
    draw();
  }

  // Make row number k the current one and bring it into view.
  function move(k) {
    current = Math.min(Math.max(k, 0), rows.length - 1);
    if (current < 0) return;
    const top = current * HEIGHT;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + HEIGHT > box.scrollTop + box.clientHeight) box.scrollTop = top + HEIGHT - box.clientHeight;
    redraw();
    box.setAttribute("aria-activedescendant", `row-${current}`);
  }

  box.addEventListener("scroll", draw, { passive: true });
  new ResizeObserver(redraw).observe(box);
  box.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(box.clientHeight / HEIGHT) - 1);
    const to = {
      ArrowDown: current + 1, ArrowUp: current - 1, PageDown: current + page, PageUp: current - page,
      Home: 0, End: rows.length - 1,
    }[event.key];
    if (to !== undefined && rows.length) {
      event.preventDefault();
      move(to);
      if (event.key.startsWith("Arrow")) choose(rows[current], { quiet: true });
    } else if (event.key === "Enter" && current >= 0) choose(rows[current]);
  });

  return {
    // Show these rows, with row `chosen` as the current one where it is among them.
    show(next, chosen) {
      rows = next;
      current = rows.indexOf(chosen);
      space.style.height = `${rows.length * HEIGHT}px`;
      box.removeAttribute("aria-activedescendant");
      redraw();
    },
    select(row) { move(rows.indexOf(row)); },
    step(by) {
      move(current + by);
      return rows[current];
    },
    redraw,
  };
};
