// The responses' page: filters, search and the open response, all of them in the address.
"use strict";

(async () => {
  const { make, state } = vr1;
  const find = (id) => document.getElementById(id);
  const root = find("explorer");
  const count = find("count");
  const KEYS = ["q", "arm", "benchmark", "verdict", "profile", "protocol", "length", "step", "order"];
  root.hidden = false;
  let store;
  try {
    store = await vr1.store.open();
  } catch (error) {
    count.textContent = error.message;
    return;
  }

  const profiles = Object.keys(store.profiles);
  const protocols = [...new Set(store.sets.map((set) => set.protocol))];
  const start = {
    profile: profiles.includes(store.headline.profile) ? store.headline.profile : profiles[0] ?? "",
    protocol: protocols.includes(store.headline.protocol) ? store.headline.protocol : protocols[0] ?? "",
  };
  const all = [["", "all"]];
  const same = (names) => names.map((name) => [name, name]);
  const choices = {
    arm: [...all, ...store.arms],
    benchmark: [...all, ...same(store.benchmarks)],
    verdict: [...all, ...same(Object.values(store.outcomes)), ["not graded", "not graded"],
      ...(profiles.length > 1 ? [["disagree", "profiles disagree"]] : [])],
    profile: same(profiles),
    protocol: same(protocols),
    length: [...all, ...store.lengths[1].map((name) => [name, `${name} tokens`]), ["cut", "cut at the limit"]],
    step: [["", "ends"], ["way", "on the way"], ["all", "all"]],
    order: [["", "as saved"], ["short", "shortest first"], ["long", "longest first"]],
  };
  for (const [key, options] of Object.entries(choices)) {
    const select = find(`f-${key}`);
    select.append(...options.map(([value, text]) => make("option", { value }, text)));
    select.closest("label").hidden = options.length < 2;
  }

  find("more").open = !window.matchMedia("(max-width: 46rem)").matches;

  let filters = {};
  let rows = [];
  let opened = -1; // the response that the address names
  let shown = -1; // what is on the right: without an address the list's first
  let turn = 0;

  const list = vr1.list(find("list"), { choose: open, render });
  const show = vr1.trace(store, find("trace"), { open, back: () => open(-1), step: (by) => open(list.step(by)) });

  function render(row) {
    const set = store.sets[store.set[row]];
    const outcome = store.verdict(row, filters.profile);
    const question = store.questions[set.benchmark][store.question[row]];
    return [
      make("span", { class: `mark o-${outcome.replace(" ", "_")}`, role: "img", "aria-label": outcome }),
      make("span", { class: "who" }, `${store.labels.get(set.arm) ?? set.arm}${set.step === null ? "" : ` @${set.step}`}`,
        make("span", { class: "dim" }, ` ${set.seed ? `train ${set.seed}, ` : ""}eval ${set.evalSeed}`)),
      make("span", { class: "dim long" }, store.tokens[row] === null ? "" : `${store.tokens[row]} tok${store.cut(row) ? ", cut" : ""}`),
      make("span", { class: "what dim" }, `${store.benchmarks[set.benchmark]} ${question ? `${question[0]}: ${question[1].slice(0, 120)}` : ""}`),
    ];
  }

  function write(options) {
    const parameters = new URLSearchParams();
    for (const key of KEYS) if (filters[key] && filters[key] !== start[key]) parameters.set(key, filters[key]);
    if (opened >= 0) parameters.set("open", store.address(opened));
    state.write(parameters, options);
  }

  function present(row) {
    if (row === shown) return;
    shown = row;
    show(row);
  }

  // Open a response, -1 for none. `quiet` leaves the focus where it is: the list's arrow keys.
  function open(row = -1, { quiet = false } = {}) {
    const push = (row >= 0) !== (opened >= 0);
    opened = row;
    root.classList.toggle("open", opened >= 0 && !quiet);
    if (opened >= 0) {
      present(opened);
      list.select(opened);
    }
    write({ push });
    if (!quiet) find(opened >= 0 ? "trace" : "list").focus({ preventScroll: true });
  }

  // Show these rows; where the address names none of them, the first stands on the right.
  function lay(found, done) {
    if (opened < 0 && done && !found.includes(shown)) present(found[0] ?? -1);
    list.show(found, shown);
  }

  function said(found, looked, done, among) {
    const part = found === store.size ? vr1.count(found, "response") : `${found.toLocaleString("en")} of ${vr1.count(store.size, "response")}`;
    count.textContent = done ? part : `${part}, ${looked.toLocaleString("en")} of ${among.toLocaleString("en")} searched so far`;
  }

  function apply() {
    turn += 1;
    const mine = turn;
    rows = store.select(filters);
    const words = filters.q.trim();
    if (!words) {
      lay(rows, true);
      said(rows.length, 0, true);
      return;
    }
    const update = (found, looked, done) => {
      lay(found, done);
      said(found.length, looked, done, rows.length);
    };
    store.search(rows, words, update, () => mine !== turn).catch((error) => { count.textContent = error.message; });
  }

  function restore() {
    const parameters = state.read();
    for (const key of KEYS) {
      const wanted = parameters.get(key) ?? start[key] ?? "";
      const fits = key === "q" || choices[key].some(([value]) => value === wanted);
      filters[key] = fits ? wanted : start[key] ?? "";
      find(`f-${key}`).value = filters[key];
    }
    opened = parameters.has("open") ? store.find(parameters.get("open")) : -1;
    root.classList.toggle("open", opened >= 0);
    if (opened >= 0) present(opened);
    apply();
    if (opened >= 0) list.select(opened);
    if (parameters.has("open") && opened < 0) count.textContent += "; the response that the address names is not here";
  }

  let waiting;
  find("filters").addEventListener("submit", (event) => event.preventDefault());
  const changed = (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      const before = JSON.stringify(filters);
      for (const key of KEYS) filters[key] = find(`f-${key}`).value;
      if (JSON.stringify(filters) === before) return;
      opened = -1;
      find("list").scrollTop = 0;
      apply();
      write();
    }, event.target.id === "f-q" ? 150 : 0);
  };
  for (const name of ["input", "change"]) find("filters").addEventListener(name, changed);
  find("filters").addEventListener("reset", (event) => {
    event.preventDefault();
    state.write(new URLSearchParams());
    restore();
  });
  window.addEventListener("popstate", restore);

  // The list is painted before the questions' texts are here; addresses need the ids among them.
  filters = { ...Object.fromEntries(KEYS.map((key) => [key, ""])), ...start };
  list.show(store.select(filters), -1);
  await store.readQuestions().catch((error) => { count.textContent = error.message; });
  restore();
})();
