// The one global of these pages: data as scripts (a browser refuses `fetch` on file://), the address' fragment as
// state, and elements made without any HTML text.
"use strict";

const vr1 = (() => {
  const waiting = new Map();
  const policy = window.trustedTypes?.createPolicy("vr1", {
    createScriptURL(url) {
      if (!/^data\/[a-z0-9-]+\.js$/.test(url)) throw new TypeError(`not a data script of this report: ${url}`);
      return url;
    },
  });

  // Called by a data script; see vr1repro/reporting/embedding.py.
  const load = (name, value) => waiting.get(name)?.resolve(value);

  // What data/<name>.js holds. Asked again it is read again: who needs it twice keeps it.
  function data(name) {
    if (waiting.has(name)) return waiting.get(name).promise;
    const entry = {};
    entry.promise = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
    waiting.set(name, entry);
    const script = document.createElement("script");
    const url = `data/${name}.js`;
    script.src = policy ? policy.createScriptURL(url) : url;
    const done = () => {
      script.remove();
      waiting.delete(name);
      entry.reject(new Error(`${url} is missing or damaged; make the report again`)); // no effect once resolved
    };
    script.onload = done;
    script.onerror = done;
    document.head.append(script);
    return entry.promise;
  }

  // An element with attributes; strings become text, null and false are left out.
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  }

  // State in the fragment, so that every view has an address. A fragment without "=" is a heading's id.
  const state = {
    read: () => new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : ""),
    write(parameters, { push = false } = {}) {
      const text = String(parameters);
      const url = text ? `#${text}` : location.pathname + location.search;
      if (location.hash.slice(1) !== text) history[push ? "pushState" : "replaceState"](null, "", url);
    },
  };

  const count = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
  return { load, data, make, state, count };
})();
