// The responses: columns of all of them in memory, texts read chunk by chunk. See vr1repro/reporting/traces.py.
"use strict";

vr1.store = (() => {
  const KEPT_CHUNKS = 16;

  class Store {
    constructor(index) {
      const { cut, ...columns } = index;
      Object.assign(this, columns);
      this.cutColumn = cut;
      this.size = index.tokens.length;
      this.set = new Uint16Array(this.size);
      this.question = new Int32Array(this.size);
      index.sets.forEach((set, number) => {
        const order = index.orders[set.order];
        set.size = order.length;
        this.set.fill(number, set.from, set.from + order.length);
        this.question.set(order, set.from);
      });
      this.labels = new Map(index.arms);
      this.questions = index.benchmarks.map(() => []);
      this.haystacks = index.benchmarks.map(() => null);
      this.kept = new Map();
    }

    // Questions of all benchmarks, needed for the list's second line and for searching.
    async readQuestions() {
      this.questions = await Promise.all(this.benchmarks.map((_, b) => vr1.data(`questions-${b}`)));
      this.haystacks = this.questions.map((rows) => rows.map(([id, question, answer, choices]) =>
        [id, question, answer, ...choices].join("\n").toLowerCase()));
    }

    verdict(row, profile) {
      return this.outcomes[this.profiles[profile]?.[row]] ?? "not graded";
    }

    cut(row) {
      return this.cutColumn[row] === "1";
    }

    chunkOf(row) {
      let low = 0;
      let high = this.chunks.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (this.chunks[middle] <= row) low = middle;
        else high = middle - 1;
      }
      return low;
    }

    // [text, what each profile read, attempt, whether the model saw another picture] of a chunk's rows.
    chunk(number) {
      const found = this.kept.get(number) ?? vr1.data(`responses-${number}`);
      this.kept.delete(number); // to the end: the one used longest ago goes first
      this.kept.set(number, found);
      found.catch(() => this.kept.delete(number));
      if (this.kept.size > KEPT_CHUNKS) this.kept.delete(this.kept.keys().next().value);
      return found;
    }

    async text(row) {
      const number = this.chunkOf(row);
      return (await this.chunk(number))[row - this.chunks[number]];
    }

    // The address of a response: its folder below eval/ and its question's id.
    address(row) {
      const set = this.sets[this.set[row]];
      const id = this.questions[set.benchmark][this.question[row]]?.[0] ?? "";
      return `${set.path.replace(/^eval\//, "").replace(/\/responses\.jsonl$/, "")}/${id}`;
    }

    find(address) {
      for (const set of this.sets) {
        const start = `${set.path.replace(/^eval\//, "").replace(/\/responses\.jsonl$/, "")}/`;
        if (!address.startsWith(start)) continue;
        const id = address.slice(start.length);
        const wanted = this.questions[set.benchmark].findIndex((question) => question[0] === id);
        const place = this.orders[set.order].indexOf(wanted);
        if (wanted >= 0 && place >= 0) return set.from + place;
      }
      return -1;
    }

    // Rows that fit the filters, in the order that they ask for; the search is not looked at.
    select(filters) {
      const { arm, benchmark, protocol, profile, step, verdict, length } = filters;
      const wanted = this.sets.map((set) =>
        (!arm || set.arm === arm) && (!benchmark || this.benchmarks[set.benchmark] === benchmark) &&
        (!protocol || set.protocol === protocol) && (step === "all" || (set.step === null) === (step !== "way")));
      const names = Object.keys(this.profiles);
      const fitsVerdict = !verdict ? () => true
        : verdict === "disagree" ? (row) => new Set(names.map((name) => this.profiles[name][row]).filter((code) => code !== "-")).size > 1
          : (row) => this.verdict(row, profile) === verdict;
      const fitsLength = this.lengthTest(length);
      const rows = [];
      this.sets.forEach((set, number) => {
        if (!wanted[number]) return;
        for (let row = set.from; row < set.from + set.size; row += 1) {
          if (fitsVerdict(row) && fitsLength(row)) rows.push(row);
        }
      });
      const sign = { short: 1, long: -1 }[filters.order];
      if (sign) rows.sort((a, b) => sign * ((this.tokens[a] ?? 0) - (this.tokens[b] ?? 0)) || a - b);
      return rows;
    }

    // Length classes as in the figures: upper ends inclusive.
    lengthTest(length) {
      if (!length) return () => true;
      if (length === "cut") return (row) => this.cut(row);
      const [ends, labels] = this.lengths;
      const k = labels.indexOf(length);
      const [low, high] = [k > 0 ? ends[k - 1] : -1, ends[k] ?? Infinity];
      return (row) => this.tokens[row] !== null && this.tokens[row] > low && this.tokens[row] <= high;
    }

    // Rows among `rows` that hold the words. Questions are looked at at once, texts chunk by chunk; `found` is called
    // with the rows so far, how many were looked at, and whether that is all. `stale` ends the search.
    async search(rows, words, found, stale) {
      const needle = words.toLowerCase();
      const hits = new Set();
      const left = new Map();
      for (const row of rows) {
        const benchmark = this.sets[this.set[row]].benchmark;
        if (this.haystacks[benchmark]?.[this.question[row]]?.includes(needle)) hits.add(row);
        else {
          const chunk = this.chunkOf(row);
          if (!left.has(chunk)) left.set(chunk, []);
          left.get(chunk).push(row);
        }
      }
      const report = (done) => found(rows.filter((row) => hits.has(row)), looked, done);
      let looked = hits.size;
      let last = performance.now();
      report(left.size === 0);
      for (const [chunk, candidates] of left) {
        const texts = await this.chunk(chunk);
        if (stale()) return;
        for (const row of candidates) {
          const [text, reads] = texts[row - this.chunks[chunk]];
          if (text.toLowerCase().includes(needle) || JSON.stringify(reads).toLowerCase().includes(needle)) hits.add(row);
        }
        looked += candidates.length;
        if (performance.now() - last > 120) {
          report(false);
          last = performance.now();
          await new Promise((resume) => setTimeout(resume)); // let the page breathe
          if (stale()) return;
        }
      }
      report(true);
    }
  }

  return { open: async () => new Store(await vr1.data("traces")) };
})();
