// The seeds: as cards of which one is open for editing, or all as a table.

const WORDS = { task_description: "task description", seed_context: "context", seed_question: "question", seed_response: "response" };

function view(ui) {
  const { state, act, local } = ui;
  return [
    row("buttons",
      button("Save", () => act("save", { path: local.path || "" }), { main: true, keys: "Ctrl+S", disabled: !state.seeds.length }),
      button("Add a seed", () => act("add")),
      button("Undo", () => act("undo"), { disabled: !state.can_undo }),
      input({ class: "sdg-path", "aria-label": "file of seeds", value: state.path, onInput: (e) => { local.path = e.target.value; } }),
      button("Load this file", () => act("load", { path: local.path || state.path }))),
    h("div", { class: "sdg-all", key: "all" }, state.about_all.filter((flaw) => flaw.part !== "task_description").map((flaw) => flawed({ ...flaw, words: `All seeds${flaw.part ? `, ${WORDS[flaw.part]}` : ""}: ${flaw.words}` }))),
    state.seeds.length > 0 && ownTabs(ui, "tab", [
      ["cards", "Cards", () => state.seeds.map((seed, place) => place === state.open ? card(ui, seed, place) : closed(ui, seed, place))],
      ["table", "Table", () => all(ui)],
    ]),
  ];
}

function closed({ act }, seed, place) {
  const grave = ["error", "warning"].find((severity) => seed.flaws.some((flaw) => flaw.severity === severity));
  return h("article", { class: "sdg-item sdg-closed", key: `closed ${place}` },
    h("button", { type: "button", class: "sdg-link", onClick: () => act("open", { place }) }, `Seed ${place + 1}`),
    h("span", {}, grave && [sign(grave), h("span", { class: "sdg-unseen" }, grave)]),
    h("p", { class: "sdg-soft sdg-line" }, seed.seed_question || "no question yet"));
}

function card({ state, act, local, id }, seed, place) {
  local.send = local.send || {};
  const area = (column, rows) => {
    local.send[column] = local.send[column] || later(250, (at, text) => act("edit", { place: at, column, text }));
    const flaws = [...seed.flaws, ...(column === "task_description" ? state.about_all : [])].filter((flaw) => flaw.part === column);
    const name = `${id}-${place}-${column}`;
    return field(name, WORDS[column], h("textarea", {
      id: name, rows, value: seed[column], rev: state.rev, onInput: (e) => local.send[column](place, e.target.value),
      onChange: (e) => local.send[column].now(place, e.target.value),
      "aria-invalid": flaws.some((flaw) => flaw.severity === "error") ? "true" : null, "aria-describedby": flaws.length ? `${name}-flaws` : null,
    }), flaws);
  };
  return h("article", { class: "sdg-item", key: `open ${place}`, "aria-label": `seed ${place + 1}` },
    h("header", {}, h("strong", {}, `Seed ${place + 1} of ${state.seeds.length}`),
      button("Duplicate", () => act("duplicate", { place }), { class: "sdg-push" }), button("Remove", () => act("remove", { place }))),
    area("task_description", 2),
    h("div", { class: "sdg-pair" }, area("seed_context", 6), h("div", {}, area("seed_question", 2), area("seed_response", 4))));
}

function all(ui) {
  const { state, act, local } = ui;
  const differs = (name) => new Set(state.seeds.map((seed) => seed[name])).size > 1 || state.seeds.some((seed) => seed.flaws.some((flaw) => flaw.part === name));
  const columns = state.columns.filter((name) => name === "seed_question" || name === "seed_response" || differs(name));
  return table("seeds", ["seed", ...columns.map((name) => WORDS[name])], state.seeds.map((seed, place) => [
    h("button", { type: "button", class: "sdg-link", onClick: () => { local.tab = "cards"; act("open", { place }); ui.draw(); } }, String(place + 1)),
    ...columns.map((name) => [long(seed[name], 160), seed.flaws.filter((flaw) => flaw.part === name).map((flaw) => flawed(flaw))]),
  ]));
}

function hotkeys(keys, typing, { act, local }, area) {
  if (keys !== "Ctrl+s") return false;
  if (area.tagName === "TEXTAREA") area.dispatchEvent(new Event("change"));
  act("save", { path: local.path || "" });
  return true;
}

export default panelOf("seeds", view, hotkeys);
