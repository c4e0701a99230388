// One response: its question and picture, its text with reflection words marked, and what each profile made of it.
"use strict";

vr1.trace = (store, article, { open, step, back }) => {
  const { make } = vr1;
  const escaped = store.words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  // Whole words in any case, as vr1repro/reporting/words.py counts them.
  const words = escaped.length ? new RegExp(`(?<![\\p{L}\\p{N}_])(${escaped.join("|")})(?![\\p{L}\\p{N}_])`, "giu") : null;
  let showing = -1;

  const chip = (outcome, ...more) => make("span", { class: `chip o-${outcome.replace(" ", "_")}` }, outcome, ...more);
  const link = (name, row, text) => make("button", { type: "button", class: name, title: text, "aria-label": text, onclick: () => open(row) });

  function marked(text) {
    const pre = make("pre", { class: "response", tabindex: "0", "aria-label": "Response" });
    const pieces = words ? text.split(words) : [text];
    let count = 0;
    pieces.forEach((piece, k) => {
      if (k % 2) count += 1;
      pre.append(k % 2 ? make("mark", {}, piece) : piece);
    });
    return [pre, count];
  }

  function problem([id, question, answer, choices, picture], other) {
    const shown = Array.isArray(picture)
      ? make("img", { src: `pictures/${picture[0]}`, width: picture[1], height: picture[2], class: Math.max(picture[1], picture[2]) < 160 ? "small" : null, alt: `Picture of question ${id}` })
      : make("p", { class: "dim" }, `No picture: ${picture}.`);
    return make("section", { class: "problem" },
      make("h3", {}, "Problem"), make("div", { class: "picture" }, shown),
      other ? make("p", { class: "note" }, "This response was given to another picture than the one shown: their hashes differ.") : null,
      make("p", { class: "question" }, question || "(the question stands in the picture)"),
      choices.length ? make("ol", { class: "choices", type: "A" }, choices.map((choice) => make("li", {}, choice))) : null,
      make("p", {}, make("span", { class: "dim" }, "Gold answer "), make("b", {}, answer || "-")));
  }

  function verdicts(row, reads) {
    const names = Object.keys(store.profiles).filter((name) => store.profiles[name][row] !== "-");
    if (!names.length) return make("p", { class: "dim" }, "Not graded.");
    return make("table", { class: "profiles" },
      make("thead", {}, make("tr", {}, ["Profile", "Verdict", "Extraction"].map((text) => make("th", { scope: "col" }, text)))),
      make("tbody", {}, names.map((name) => {
        const [extraction, prediction] = Array.isArray(reads[name]) ? reads[name] : [reads[name], null];
        return make("tr", {}, make("th", { scope: "row" }, name, name === store.headline.profile ? make("span", { class: "dim" }, " headline") : null),
          make("td", {}, chip(store.verdict(row, name))),
          make("td", {}, extraction === null || extraction === undefined ? make("span", { class: "dim" }, "nothing found") : make("code", {}, extraction),
            prediction ? [" read as ", make("code", {}, prediction)] : null));
      })));
  }

  // Every answer to the same question, by arm.
  function others(row) {
    const here = store.sets[store.set[row]];
    const rows = new Map();
    for (const set of store.sets) {
      if (set.benchmark !== here.benchmark) continue;
      const place = store.orders[set.order].indexOf(store.question[row]);
      if (place < 0) continue;
      const name = (store.labels.get(set.arm) ?? set.arm) + (set.step === null ? "" : `, step ${set.step}`);
      if (!rows.has(name)) rows.set(name, []);
      rows.get(name).push(set.from + place);
    }
    return make("section", {}, make("h3", {}, "All answers to this question"),
      make("ul", { class: "samples" }, [...rows].map(([name, found]) => make("li", {}, make("span", {}, name), make("span", {},
        found.map((other) => {
          const set = store.sets[store.set[other]];
          const outcome = store.verdict(other, store.headline.profile);
          const text = `${name}, training seed ${set.seed}, evaluation seed ${set.evalSeed}, ${set.protocol}: ${outcome}`;
          const mark = link(`mark o-${outcome.replace(" ", "_")}`, other, text);
          if (other === row) mark.setAttribute("aria-current", "true");
          return mark;
        }))))));
  }

  return async (row) => {
    showing = row;
    if (row < 0) {
      article.replaceChildren(make("p", { class: "dim empty" }, "Choose a response from the list. Arrow keys move, Enter reads."));
      return;
    }
    let found;
    try {
      found = await store.text(row);
    } catch (error) {
      found = null;
      article.replaceChildren(make("p", { class: "note" }, error.message));
    }
    if (!found || showing !== row) return;
    const set = store.sets[store.set[row]];
    const [text, reads, attempt, other] = found;
    const question = store.questions[set.benchmark][store.question[row]];
    const [pre, count] = marked(text);
    const tokens = store.tokens[row];
    const arm = store.labels.get(set.arm) ?? set.arm;
    article.replaceChildren(
      make("div", { class: "trace-head" },
        make("button", { type: "button", class: "plain back", onclick: back }, "Back to the list"),
        make("span", { class: "turn" },
          make("button", { type: "button", class: "plain", onclick: () => step(-1) }, "Previous"),
          make("button", { type: "button", class: "plain", onclick: () => step(1) }, "Next"))),
      make("h2", {}, arm, set.step === null ? "" : `, step ${set.step}`, make("span", { class: "dim" }, ` on ${store.benchmarks[set.benchmark]} ${question[0]}`)),
      make("p", { class: "dim" }, `training seed ${set.seed}, evaluation seed ${set.evalSeed}, protocol ${set.protocol}, `,
        tokens === null ? "length unknown" : vr1.count(tokens, "token"),
        store.cut(row) ? make("b", {}, ", cut at the limit") : "", attempt ? `, attempt ${attempt + 1}` : "",
        `, ${vr1.count(count, "reflection word")}`),
      make("div", { class: "two" },
        problem(question, other),
        make("section", { class: "answer" }, make("h3", {}, "Response"), pre, make("h3", {}, "Verdict under each profile"), verdicts(row, reads))),
      others(row),
      make("section", { class: "dim" }, make("h3", {}, "Where it stands"),
        make("p", {}, make("span", { class: "hash" }, set.path), `, id ${question[0]}`),
        set.weights ? make("p", {}, "weights ", make("a", { class: "hash", href: `provenance.html#m-${set.weights.slice(0, 16)}` }, set.weights)) : null),
    );
    article.scrollTop = 0;
  };
};
