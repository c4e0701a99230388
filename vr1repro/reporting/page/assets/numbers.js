// A click on a number of ours shows what it is and what it came from: files, weights, commits, down the chain.
"use strict";

(() => {
  const dialog = document.getElementById("number");
  const title = document.getElementById("number-title");
  const body = document.getElementById("number-body");
  const { make, state } = vr1;
  let loaded = null;

  const plain = (value) => (typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value ?? "-"));
  const facts = (pairs) => make("dl", { class: "facts" },
    pairs.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  const hash = (text) => make("span", { class: "hash" }, text);

  // Weights, what they were trained from, and so on; each hash once.
  function chain(shas, manifests, seen = new Set()) {
    const items = shas.map(([name, sha]) => {
      const found = manifests[sha];
      const again = seen.has(sha);
      seen.add(sha);
      const inputs = found && !again ? Object.entries(found.inputs) : [];
      const commit = found?.commit ? `, commit ${found.commit.slice(0, 12)}${found.commit.endsWith("-dirty") ? "-dirty" : ""}` : "";
      return make("li", {}, name ? `${name}: ` : "", found ? `${found.path} ` : "", hash(sha.slice(0, 16)),
        again ? " (above)" : found ? `${commit}, ${(found.at ?? "").slice(0, 16).replace("T", " ")}` : " (no manifest in this run's files)",
        inputs.length ? chain(inputs, manifests, seen) : null);
    });
    return make("ul", { class: "chain" }, items);
  }

  const sorted = (shas, manifests) => shas.map((sha) => ["", sha])
    .sort(([, a], [, b]) => (manifests[a]?.path ?? a).localeCompare(manifests[b]?.path ?? b));

  function responses(number) {
    if (!number.arm) return null;
    const query = new URLSearchParams({ arm: number.arm });
    if (number.benchmarks.length === 1) query.set("benchmark", number.benchmarks[0]);
    return make("p", {}, make("a", { href: `traces.html#${query}` }, "Read the responses behind it"));
  }

  function show(key, { files, manifests, sets, numbers }) {
    const number = numbers[key];
    if (!number) return;
    const { ours, paper } = number;
    title.textContent = number.title;
    const paths = sets[number.files].map((k) => files[k]);
    body.replaceChildren(
      facts([
        ["Ours", `${plain(ours.value)} [${plain(ours.low)}, ${plain(ours.high)}], standard error ${plain(ours.stderr)}`],
        ["Over", `${vr1.count(ours.n, "observation")} in ${vr1.count(ours.clusters, "cluster")}; ${ours.method}`],
        ["Paper", paper && `${paper.value} (${paper.metric}), ${paper.table} of ${paper.version}`],
        ["Source", paper?.source],
        ["Note", paper?.note],
        ["Id", paper && hash(paper.id)],
        ["Verdict", number.verdict && `${number.verdict}${number.reason ? `: ${number.reason}` : ""}`],
      ]),
      responses(number) ?? "",
      make("h3", {}, "Weights, and what they came from"),
      number.weights.length ? chain(sorted(number.weights, manifests), manifests)
        : make("p", { class: "dim" }, "No weights are named by these files."),
      make("h3", {}, `${vr1.count(paths.length, "file")}, with SHA-256`),
      paths.length ? make("ul", { class: "chain" }, paths.map(([path, sha]) => make("li", {}, `${path} `, hash(sha))))
        : make("p", { class: "dim" }, "No single file stands behind it."),
      make("p", { class: "dim" }, make("a", { href: "provenance.html#config" }, "The config"),
        " and all hashes are on the page Provenance."),
    );
    if (!dialog.open) dialog.showModal();
    body.scrollTop = 0;
  }

  async function open(key) {
    loaded ??= vr1.data("numbers");
    try {
      show(key, await loaded);
    } catch (error) {
      loaded = null;
      title.textContent = "Not to be had";
      body.replaceChildren(make("p", {}, error.message));
      dialog.showModal();
    }
  }

  function remember(key) {
    const parameters = state.read();
    if (key) parameters.set("number", key);
    else parameters.delete("number");
    state.write(parameters);
  }

  document.addEventListener("click", (event) => {
    const key = event.target.closest?.("[data-number]")?.dataset.number;
    if (key) {
      remember(key);
      open(key);
    } else if (event.target === dialog || event.target.closest?.("#number .close")) dialog.close();
  });
  dialog.addEventListener("close", () => remember(null));
  const restore = () => {
    const key = state.read().get("number");
    if (key) open(key);
    else if (dialog.open) dialog.close();
  };
  window.addEventListener("hashchange", restore);
  restore();
})();
