// The review: one sample beside its seed with the judge's words, the same as a table, and two figures.

const STATE_SIGNS = { undecided: "○", accepted: "✓", edited: "✎", rejected: "✕", outdated: "!" };

function view(state, act, local, draw) {
  const id = `sdg-${state.id}`;
  const filter = (name) => (value) => act("filter", { [name]: value });
  local.search = local.search || later(250, (text) => act("filter", { text }));
  return [
    ...heading(state.title, state.sign, state.words, state.folder),
    ...trouble(state),
    h("div", { class: "sdg-filters", key: "filters", role: "group", "aria-label": "filters" },
      ["show", "score", "seed", "reason"].map((name) => field(`${id}-${name}`, name,
        choice(`${id}-${name}`, state.filters[name], state.choices[name], filter(name)))),
      field(`${id}-text`, "text", h("input", { id: `${id}-text`, key: "text", type: "search", value: state.filters.text,
        onInput: (e) => local.search(e.target.value) }))),
    tabs(`${id}-tab`, [["one", "One by one"], ["table", "Table"], ["figures", "Figures"]], state.tab,
      (name) => act("tab", { name }),
      state.tab === "one" ? one(state, act, local, draw, id) : state.tab === "table" ? table(state, act) : figures(state)),
  ];
}

function one(state, act, local, draw, id) {
  const sample = state.sample;
  if (!sample) return h("p", { class: "sdg-soft" }, state.empty);
  if (local.id !== sample.id) Object.assign(local, { id: sample.id, editing: false, texts: {} });
  const reject = () => {
    act("reject", { reason: local.why || "" });
    Object.assign(local, { why: "", rev: (local.rev || 0) + 1 });
    draw();
  };
  const save = () => {
    act("edit", { texts: { ...Object.fromEntries(sample.parts.map((part) => [part.name, part.text])), ...local.texts } });
    local.editing = false;
    draw();
  };
  return h("div", { key: "one" },
    h("div", { class: "sdg-row", key: "where" },
      button("Back", () => act("step", { by: -1 }), { keys: "k", disabled: state.at <= 1 }),
      button("Next", () => act("step", { by: 1 }), { keys: "j", disabled: state.at >= state.total }),
      h("span", {}, h("code", {}, sample.id), ` · ${state.at} of ${state.total} · `,
        h("span", { class: `sdg-is-${{ accepted: "good", edited: "good", rejected: "bad", outdated: "warn" }[sample.state] || "none"}`, "aria-hidden": "true" }, STATE_SIGNS[sample.state]),
        ` ${sample.state}${sample.reason ? `: ${sample.reason}` : ""}`,
        sample.state === "outdated" && " (it was decided, and has changed since)"),
      button("Undo", () => act("undo"), { keys: "u", class: "sdg-push" })),
    sample.parts.map((part) => h("div", { class: "sdg-pair", key: `${sample.id} ${part.name}` },
      h("div", {}, local.editing
        ? field(`${id}-${part.name}`, part.name, h("textarea", { id: `${id}-${part.name}`, rows: Math.min(24, Math.max(3, part.text.split("\n").length + 1)),
            value: local.texts[part.name] ?? part.text, onInput: (e) => { local.texts[part.name] = e.target.value; } }))
        : [h("h4", {}, part.name, part.text !== part.written && " (edited)"), long(part.text, 1500),
          part.text !== part.written && fold("as the teacher wrote it", long(part.written, 1500))]),
      h("div", { class: "sdg-aside" }, h("h4", {}, `${part.name} of its seed`), long(part.seed, 1500)))),
    h("div", { class: "sdg-judge", key: `${sample.id} judge` }, h("h4", {}, `The judge${sample.score && `: ${sample.score}`}`), long(sample.evaluation || "no words", 1500)),
    h("p", { class: "sdg-told", role: "status", key: "told" }, state.told),
    local.editing
      ? h("div", { class: "sdg-row sdg-decide", key: "decide" }, button("Save", save, { main: true }), button("Leave as it was", () => { local.editing = false; local.texts = {}; draw(); }, { keys: "Escape" }))
      : h("div", { class: "sdg-row sdg-decide", key: "decide" },
        button("Accept", () => act("accept"), { main: true, keys: "a", key: "accept" }),
        button("Reject", reject, { keys: "r", key: "reject" }),
        h("input", { key: "why", id: `${id}-why`, "aria-label": "reason for a rejection", placeholder: "reason, then Enter", list: `${id}-reasons`, value: local.why || "", rev: local.rev,
          onInput: (e) => { local.why = e.target.value; },
          onKeydown: (e) => { if (e.key === "Enter") { e.target.closest(".sdg").focus(); reject(); } } }),
        h("datalist", { id: `${id}-reasons`, key: "reasons" }, state.reasons.map((why) => h("option", { value: why, key: why }))),
        button("Edit", () => { local.editing = true; draw(); }, { keys: "e", key: "edit" }),
        button("Read new samples", () => act("read"), { key: "read", class: "sdg-push" })),
    fold("Make this a seed", h("div", { class: "sdg-row" },
      h("label", { for: `${id}-seeds` }, "file of seeds"),
      h("input", { id: `${id}-seeds`, class: "sdg-path", value: state.seed_file, onChange: (e) => { local.seeds = e.target.value; } }),
      button("Make this a seed", () => act("seed", { path: local.seeds || state.seed_file }), { disabled: !["accepted", "edited"].includes(sample.state) }),
      !["accepted", "edited"].includes(sample.state) && h("span", { class: "sdg-soft" }, "Accept or edit it first.")), { key: "seed" }));
}

function table(state, act) {
  if (!state.rows.length) return h("p", { class: "sdg-soft" }, state.empty);
  return h("div", {},
    h("div", { class: "sdg-scroll", tabindex: 0, "aria-label": "samples" }, h("table", {},
      h("thead", {}, h("tr", {}, ["id", "decision", "score", "question", "response"].map((name) => h("th", { scope: "col", class: name === "score" ? "sdg-n" : null }, name)))),
      h("tbody", {}, state.rows.map((row) => h("tr", { key: row.id },
        h("th", { scope: "row" }, h("button", { type: "button", class: "sdg-link", onClick: () => act("go", { id: row.id }) }, h("code", {}, row.id))),
        h("td", {}, `${STATE_SIGNS[row.state]} ${row.state}`, row.reason && `: ${row.reason}`),
        h("td", { class: "sdg-n" }, row.score), h("td", {}, row.question), h("td", {}, pre(row.response))))))),
    h("div", { class: "sdg-row sdg-pages" },
      button("Back", () => act("page", { number: state.page - 1 }), { disabled: state.page <= 0 }),
      button("Next", () => act("page", { number: state.page + 1 }), { disabled: state.page + 1 >= state.pages }),
      h("span", {}, `page ${state.page + 1} of ${state.pages}, ${state.total} samples`)));
}

function figures(state) {
  return h("div", { class: "sdg-grid" }, state.figures.map((figure) => h("figure", { key: figure.title },
    h("h4", {}, figure.title), h("p", { class: "sdg-soft" }, figure.words),
    figure.drawing ? h("div", { drawing: figure.drawing }) : h("p", {}, "Nothing to draw."))));
}

function hotkeys(event, typing, state, act, local, draw) {
  if (event.key === "Escape" && local.editing) {
    Object.assign(local, { editing: false, texts: {} });
    draw();
    return true;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || state.tab !== "one" || !state.sample || local.editing) return false;
  const does = {
    a: () => act("accept"), u: () => act("undo"), e: () => { local.editing = true; draw(); },
    j: () => act("step", { by: 1 }), k: () => act("step", { by: -1 }),
    r: () => document.getElementById(`sdg-${state.id}-why`)?.focus(),
  }[event.key];
  if (does) does();
  return Boolean(does);
}

export default panelOf("review", view, hotkeys);
