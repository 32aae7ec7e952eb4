// The seeds: as cards of which one is open for editing, or all as a table.

const WORDS = { task_description: "task description", seed_context: "context", seed_question: "question", seed_response: "response" };

function view(state, act, local, draw) {
  const id = `sdg-${state.id}`;
  local.tab = local.tab || "cards";
  local.send = local.send || {};
  return [
    ...heading(state.title, state.sign, state.words, state.folder),
    ...trouble(state),
    h("div", { class: "sdg-row", key: "buttons" },
      button("Save", () => act("save", { path: local.path || "" }), { main: true, key: "save", keys: "Ctrl+S", disabled: !state.seeds.length }),
      button("Add a seed", () => act("add"), { key: "add" }),
      button("Undo", () => act("undo"), { key: "undo", disabled: !state.can_undo }),
      h("input", { key: "path", class: "sdg-path", "aria-label": "file of seeds", value: state.path, spellcheck: "false", onInput: (e) => { local.path = e.target.value; } }),
      button("Load this file", () => act("load", { path: local.path || state.path }), { key: "load" })),
    h("p", { class: "sdg-told", role: "status", key: "told" }, state.told),
    h("div", { key: "findings" }, state.findings.map((words) => h("p", { class: "sdg-soft" }, words))),
    tabs(`${id}-tab`, [["cards", "Cards"], ["table", "Table"]], local.tab, (name) => { local.tab = name; draw(); },
      local.tab === "cards" ? state.seeds.map((seed, place) => card(state, seed, place, act, local, id)) : table(state, act, local, draw)),
  ];
}

function card(state, seed, place, act, local, id) {
  const flaws = Object.keys(seed.flaws).length;
  if (place !== state.open)
    return h("article", { class: "sdg-item sdg-closed", key: `closed ${place}` },
      h("button", { type: "button", class: "sdg-link", onClick: () => act("open", { place }) }, `Seed ${place + 1}`),
      flaws > 0 && h("span", { class: "sdg-is-warn" }, ` ! ${flaws} to mend`),
      seed.findings.length > 0 && h("span", { class: "sdg-soft" }, ` ${seed.findings.length} to look at`),
      h("p", { class: "sdg-soft sdg-line" }, seed.seed_question || "no question yet"));
  const put = (column) => (e) => {
    const text = e.target.value;
    local.send[column] = local.send[column] || later(250, (at, typed) => act("edit", { place: at, column, text: typed }));
    local.send[column](place, text);
  };
  const area = (column, rows) => h("div", {}, field(`${id}-${place}-${column}`, WORDS[column], h("textarea", {
    id: `${id}-${place}-${column}`, rows, value: seed[column], rev: state.rev, onInput: put(column),
    onChange: (e) => act("edit", { place, column, text: e.target.value }),
    "aria-invalid": seed.flaws[column] ? "true" : null, "aria-describedby": seed.flaws[column] ? `${id}-${place}-${column}-flaw` : null,
  }), seed.flaws[column] && `The ${WORDS[column]} ${seed.flaws[column]}`),
    seed.findings.filter((found) => found.column === column).map((found) => h("p", { class: "sdg-soft" }, found.words)));
  return h("article", { class: "sdg-item", key: `open ${place}`, "aria-label": `seed ${place + 1}` },
    h("header", {}, h("strong", {}, `Seed ${place + 1} of ${state.seeds.length}`),
      button("Duplicate", () => act("duplicate", { place }), { class: "sdg-push" }), button("Remove", () => act("remove", { place }))),
    area("task_description", 2),
    h("div", { class: "sdg-pair" }, area("seed_context", 6), h("div", {}, area("seed_question", 2), area("seed_response", 4))));
}

function table(state, act, local, draw) {
  const told = (name) => new Set(state.seeds.map((seed) => seed[name])).size > 1 || state.seeds.some((seed) => seed.flaws[name]);
  const columns = state.columns.filter((name) => name === "seed_question" || name === "seed_response" || told(name));
  return h("div", { class: "sdg-scroll", tabindex: 0, "aria-label": "seeds" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col", class: "sdg-n" }, "seed"), columns.map((name) => h("th", { scope: "col", key: name }, WORDS[name])))),
    h("tbody", {}, state.seeds.map((seed, place) => h("tr", { key: place },
      h("th", { scope: "row", class: "sdg-n" }, h("button", { type: "button", class: "sdg-link", onClick: () => { local.tab = "cards"; act("open", { place }); draw(); } }, String(place + 1))),
      columns.map((name) => h("td", { key: name }, long(seed[name], 160), seed.flaws[name] && h("p", { class: "sdg-flaw" }, h("span", { "aria-hidden": "true" }, "✕ "), seed.flaws[name]))))))));
}

function hotkeys(event, typing, state, act, local) {
  if (!(event.ctrlKey || event.metaKey) || event.key !== "s") return false;
  const area = event.target;
  if (typing && area.id && area.tagName === "TEXTAREA") area.dispatchEvent(new Event("change"));
  act("save", { path: local.path || "" });
  return true;
}

export default panelOf("seeds", view, hotkeys);
