"use strict";
// Opens single consultations from the data in the page, with keys and links; all text goes in as text.
(() => {
  const overview = document.getElementById("overview");
  const pane = document.getElementById("consultation");
  const holders = new Map();
  for (const s of document.querySelectorAll("script[data-consultation]")) holders.set(s.dataset.consultation, s);
  const order = [...holders.keys()];
  const title = document.title;
  const signs = { right: "✓", wrong: "✗", undecided: "?", "no answer": "–", ended: "•", error: "!" };
  let open = null; // the id of the consultation that is shown
  let opener = null; // what had the focus before it
  let scroll = 0;

  function make(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
    node.append(...children.filter((child) => child !== null && child !== ""));
    return node;
  }

  function eventLinks(id, events) {
    return events.map((n) => make("a", { class: "event", href: `#${id}:${n}`, "aria-label": `event ${n}` }, String(n)));
  }

  function rows(head, lines) {
    const tr = (cells, tag) => make("tr", {}, ...cells.map((c, n) => {
      const cell = make(n === 0 || tag === "th" ? "th" : "td", n === 0 || tag === "th" ? { scope: tag === "th" ? "col" : "row" } : {});
      cell.append(...(Array.isArray(c) ? c : [c]));
      return cell;
    }));
    return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": head[0] },
      make("table", {}, make("thead", {}, tr(head, "th")), make("tbody", {}, ...lines.map((l) => tr(l, "td")))));
  }

  function section(name, ...children) {
    return make("section", {}, make("h2", {}, name), ...children);
  }

  function picture(key, alt, name) {
    const holder = document.querySelector(`script[data-picture="${CSS.escape(key)}"]`);
    const img = make("img", { alt: alt || name, loading: "lazy" });
    if (holder) img.src = "data:image/png;base64," + holder.textContent;
    return img;
  }

  function figures(c, n) {
    return c.images.filter((i) => i[0] === n).map(([, name, alt, keys, missing]) =>
      make("figure", {}, ...keys.map((key) => picture(key, alt, name)),
        make("figcaption", {}, missing ? `${name}: ${missing}.` : `${name}. What the doctor got of it stands in brackets above.`)));
  }

  function transcript(id, c) {
    const list = make("ol", { class: "lines" });
    let turn = null;
    let last = null;
    let item = null;
    const spoken = new Map(); // turn -> the item of the patient's reply
    const shown = c.lines.filter((line) => line[1] >= 0);
    shown.forEach(([n, at, role, label, text], k) => {
      if (at !== turn) {
        list.append(make("li", { class: "turn" }, make("h3", {}, at === 0 ? "Start" : `Turn ${at}`)));
        turn = at;
      }
      if (n !== last) {
        item = make("li", { class: `line ${role}`, id: `event-${n}`, tabindex: "-1" },
          make("a", { class: "number", href: `#${id}:${n}`, "aria-label": `event ${n}` }, String(n)));
        list.append(item);
        last = n;
      }
      const aside = label === "·";
      item.append(make("p", { class: aside ? "aside" : "said" },
        aside ? "" : make("span", { class: "who" }, label), make("span", { class: "text" }, text)));
      if (role === "patient" && label === "patient") spoken.set(at, item);
      if (k + 1 === shown.length || shown[k + 1][0] !== n) item.append(...figures(c, n));
    });
    for (const [at, kind, meaning, what] of c.slips) {
      const target = spoken.get(at);
      const words = make("p", { class: "slip" }, make("strong", {}, `Patient’s slip: ${kind}`), `: ${meaning}`, what ? ` (${what})` : "");
      if (target) target.append(words);
      else list.append(make("li", { class: "line" }, words));
    }
    return list;
  }

  function verdict(id, c) {
    const lines = c.lines.filter((line) => line[1] < 0);
    if (!lines.length) return null;
    return section("Verdict", make("ul", { class: "verdict" }, ...lines.map(([, , , , text]) => make("li", {}, text))));
  }

  function checklist(c) {
    if (!c.checklist.length) return null;
    return section("Checklist", rows(["item", "domain", "points", "met"], c.checklist.map(([text, domain, points, critical, met]) => [
      critical ? `${text} (critical)` : text, domain, points, met ? "✓ met" : "✗ not met",
    ])));
  }

  function ratings(id, c) {
    if (!c.ratings.length) return null;
    return section("Ratings", rows(["axis", "option", "reason", "events", "rubric", "rater"], c.ratings.map((r) => [
      r.axis, r.option, r.reason, eventLinks(id, r.events), r.rubric, r.rater,
    ])));
  }

  function header(id, c) {
    const at = order.indexOf(id);
    const step = (to, label, key) => to in order
      ? make("a", { href: `#${order[to]}`, "aria-keyshortcuts": key }, label) : make("span", { class: "off" }, label);
    const state = make("span", { class: `badge ${c.state === "no answer" ? "none" : c.state}` }, `${signs[c.state]} ${c.state}`);
    const facts = [
      ["doctor", c.arm], ...c.cast.map(([role, who, profile]) => [role, profile === "default" ? who : `${who}, profile ${profile}`]).slice(1),
      ["run", c.run], ["seed", String(c.seed)], ["repeat", String(c.repeat)], ["key", c.key],
      ["ended", c.ended.join(": ")], ...c.figures,
    ];
    if (c.answer) facts.splice(1, 0, ["what is right", c.answer]);
    if (c.perturbed) facts.splice(1, 0, ["perturbed", c.perturbed]);
    return make("header", { class: "head" },
      make("nav", { class: "steps", "aria-label": "Consultations" },
        make("a", { href: "#overview", class: "back", "aria-keyshortcuts": "Escape" }, "← All results"),
        step(at - 1, "← Previous", "p"), step(at + 1, "Next →", "n"),
        make("span", { class: "keys" }, `${at + 1} of ${order.length}. Keys: `, make("kbd", {}, "n"), " next, ", make("kbd", {}, "p"), " previous, ", make("kbd", {}, "Esc"), " all results")),
      make("h1", { tabindex: "-1" }, c.title),
      make("p", { class: "lead" }, state, ` ${c.scenario}`),
      make("dl", { class: "facts" }, ...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)))));
  }

  function show(id) {
    const c = JSON.parse(holders.get(id).textContent);
    const failed = c.failed.length
      ? make("div", { class: "warnings", role: "note" }, make("p", {}, make("strong", {}, `The ${c.failed[0] === "core" ? "program" : c.failed[0]} broke`)), make("p", { class: "text" }, c.failed[1]))
      : null;
    const marks = c.marks.length
      ? section("Marks", rows(["mark", "value", "earned by events"], c.marks.map(([name, value, events]) => [name, value, eventLinks(id, events)])),
        c.parts.length ? make("p", { class: "note" }, "The score is made of ", c.parts.map(([name, value]) => `${name} ${value}`).join(", "), ".") : "")
      : null;
    pane.replaceChildren(...[header(id, c), make("main", {}, ...[failed, verdict(id, c), section("Transcript", transcript(id, c)), marks, checklist(c), ratings(id, c)].filter(Boolean))]);
    document.title = `${c.title} · ${title}`;
  }

  function mark(n) {
    for (const old of pane.querySelectorAll(".target")) old.classList.remove("target");
    const line = n === undefined ? null : document.getElementById(`event-${n}`);
    if (line) {
      line.classList.add("target");
      line.focus({ preventScroll: true });
      line.scrollIntoView({ block: "center" });
    }
    return Boolean(line);
  }

  function wanted() {
    const hash = location.hash.slice(1);
    try {
      return decodeURIComponent(hash);
    } catch {
      return hash; // half of an escape: no key, but no reason to stop either
    }
  }

  function follow() {
    const hash = wanted();
    const [id, n] = holders.has(hash) ? [hash] : hash.split(/:(?=\d+$)/);
    if (holders.has(id)) {
      const fresh = id !== open;
      if (open === null) {
        opener = document.activeElement && overview.contains(document.activeElement) && document.activeElement !== overview ? document.activeElement : null;
        scroll = window.scrollY;
      }
      if (fresh) show(id);
      open = id;
      overview.hidden = true;
      pane.hidden = false;
      if (!mark(n) && fresh) {
        window.scrollTo(0, 0);
        pane.querySelector("h1").focus({ preventScroll: true });
      }
    } else if (open !== null) {
      const back = opener || overview.querySelector(`a[href="#${CSS.escape(open)}"]`);
      open = null;
      pane.hidden = true;
      pane.replaceChildren();
      overview.hidden = false;
      document.title = title;
      if (hash && hash !== "overview") {
        document.getElementById(hash)?.scrollIntoView();
      } else if (back) {
        window.scrollTo(0, scroll);
        back.focus({ preventScroll: opener !== null });
      }
    }
  }

  window.addEventListener("hashchange", follow);
  document.addEventListener("keydown", (e) => {
    if (open === null || e.altKey || e.ctrlKey || e.metaKey) return;
    const step = { n: 1, p: -1 }[e.key];
    const to = order[order.indexOf(open) + step];
    if (e.key === "Escape") location.hash = "overview";
    else if (step && to) location.hash = to;
    else return;
    e.preventDefault();
  });
  if ("scrollRestoration" in history) history.scrollRestoration = "auto";
  follow();
})();
