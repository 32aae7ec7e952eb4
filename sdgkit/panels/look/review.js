// The review: one sample beside its seed with the judge's words, the same as a table, and two figures.

function view(ui) {
  const { state, act, local, id } = ui;
  local.search = local.search || later(250, (text) => act("filter", { text }));
  const bodies = { one, table: samples, figures };
  const empty = state.samples ? "No sample fits these filters. Show all, or take a filter away." : "There are no samples yet. Run this cell again when the run has made some.";
  return [
    h("div", { class: "sdg-filters", key: "filters", role: "group", "aria-label": "filters" },
      ["show", "score", "seed", "reason"].map((name) => field(`${id}-${name}`, name,
        choice(`${id}-${name}`, state.filters[name], state.choices[name], (value) => act("filter", { [name]: value })))),
      field(`${id}-text`, "text", input({ id: `${id}-text`, type: "search", value: state.filters.text, onInput: (e) => local.search(e.target.value) }))),
    ownTabs(ui, "tab", [["one", "One by one"], ["table", "Table"], ["figures", "Figures"]]
      .map(([name, words]) => [name, words, () => state.total ? bodies[name](ui) : soft(empty)])),
  ];
}

// What is pressed stands above the texts, so that it stays where it is from sample to sample.
function one(ui) {
  const { state, act, local, id } = ui;
  const sample = state.sample;
  const good = sample.state === "accepted" || sample.state === "edited";
  if (local.id !== sample.id) Object.assign(local, { id: sample.id, editing: false, texts: {} });
  return h("div", { key: "one" },
    row("where",
      button("Back", () => act("step", { by: -1 }), { keys: "k", disabled: state.at <= 1 }),
      button("Next", () => act("step", { by: 1 }), { keys: "j", disabled: state.at >= state.total }),
      h("span", {}, h("code", {}, sample.id), ` · ${state.at} of ${state.total} · `, sign(sample.state), `${sample.state}${sample.reason ? `: ${sample.reason}` : ""}`,
        sample.state === "outdated" && " (it was decided, and has changed since)"),
      button("Undo", () => act("undo"), { keys: "u", class: "sdg-push", disabled: !state.can_undo })),
    local.editing ? saving(ui) : deciding(ui),
    Object.entries(sample.texts).map(([name, text]) => h("div", { class: "sdg-pair", key: `${sample.id} ${name}` },
      h("div", {}, local.editing
        ? field(`${id}-${name}`, name, h("textarea", { id: `${id}-${name}`, rows: Math.min(24, Math.max(3, text.split("\n").length + 1)),
            value: local.texts[name] ?? text, onInput: (e) => { local.texts[name] = e.target.value; } }))
        : [h("h4", {}, name, text !== sample.written[name] && " (edited)"), long(text),
          text !== sample.written[name] && fold("as the teacher wrote it", long(sample.written[name]))]),
      h("div", { class: "sdg-aside" }, h("h4", {}, `${name} of its seed`), long(sample[`seed_${name}`])))),
    h("div", { class: "sdg-judge", key: `${sample.id} judge` }, h("h4", {}, `The judge${sample.score === null ? "" : `: ${sample.score}`}`), long(sample.evaluation || "no words")),
    fold("Make this a seed", row("seed",
      h("label", { for: `${id}-seeds` }, "file of seeds"),
      input({ id: `${id}-seeds`, class: "sdg-path", value: state.seed_file, onChange: (e) => { local.seeds = e.target.value; } }),
      button("Make this a seed", () => act("seed", { path: local.seeds || state.seed_file }), { disabled: !good }),
      !good && h("span", { class: "sdg-soft" }, "Accept or edit it first.")), { key: "seed" }));
}

function deciding(ui) {
  const { state, act, local, id } = ui;
  const reject = () => {
    act("reject", { reason: local.why || "" });
    Object.assign(local, { why: "", rev: (local.rev || 0) + 1 });
    ui.draw();
  };
  return row("decide",
    button("Accept", () => act("accept"), { main: true, keys: "a" }),
    button("Reject", reject, { keys: "r" }),
    input({ class: "sdg-path", id: `${id}-why`, "aria-label": "reason for a rejection", placeholder: "reason, then Enter", list: `${id}-reasons`, value: local.why || "", rev: local.rev,
      onInput: (e) => { local.why = e.target.value; },
      onKeydown: (e) => { if (e.key === "Enter") { e.target.closest(".sdg").focus(); reject(); } } }),
    h("datalist", { id: `${id}-reasons` }, state.choices.reason.slice(1).map(([why]) => h("option", { value: why, key: why }))),
    button("Edit", () => edit(ui, true), { keys: "e" }));
}

function saving(ui) {
  return row("save", button("Save as edited", () => save(ui), { main: true, keys: "Ctrl+S" }), button("Leave as it was", () => edit(ui, false), { keys: "Escape" }));
}

function save(ui) {
  const { state, act, local } = ui;
  act("edit", { texts: { ...state.sample.texts, ...local.texts } });
  edit(ui, false);
}

function edit({ local, draw, id }, editing) {
  Object.assign(local, { editing, texts: {} });
  draw();
  if (editing) document.getElementById(`${id}-response`)?.focus();
}

function samples({ state, act, local, draw }) {
  return h("div", { key: "table" },
    table("samples", ["id", "decision", "score", "question", "response"], state.rows.map((sample) => [
      h("button", { type: "button", class: "sdg-link", onClick: () => { local.tab = "one"; act("go", { id: sample.id }); draw(); } }, h("code", {}, sample.id)),
      [sign(sample.state), `${sample.state}${sample.reason ? `: ${sample.reason}` : ""}`], sample.score, sample.question, pre(sample.response)])),
    row("pages",
      button("Back", () => act("page", { number: state.page - 1 }), { disabled: state.page <= 0 }),
      button("Next", () => act("page", { number: state.page + 1 }), { disabled: state.page + 1 >= state.pages }),
      h("span", {}, `page ${state.page + 1} of ${state.pages}, ${state.total} samples`)));
}

function figures({ state }) {
  return h("div", { class: "sdg-pair", key: "figures" }, state.figures.map((figure) => h("figure", { key: figure.title },
    h("h4", {}, figure.title), soft(figure.words),
    figure.drawing ? h("div", { drawing: figure.drawing }) : soft("Nothing to draw."))));
}

function hotkeys(keys, typing, ui) {
  const { state, act, local, id } = ui;
  if ((local.tab || "one") !== "one" || !state.sample || (typing && !local.editing)) return false;
  const does = (local.editing ? { Escape: () => edit(ui, false), "Ctrl+s": () => save(ui) } : {
    a: () => act("accept"), u: () => act("undo"), e: () => edit(ui, true),
    j: () => act("step", { by: 1 }), k: () => act("step", { by: -1 }),
    r: () => document.getElementById(`${id}-why`)?.focus(),
  })[keys];
  if (does) does();
  return Boolean(does);
}

export default panelOf("review", view, hotkeys);
