// The seeds: as cards of which one is open for editing, or all in a table.

const LABELS = {
  task_description: "task description",
  seed_context: "context",
  seed_question: "question",
  seed_response: "response",
};

function view(ui) {
  const { state, act, local } = ui;
  const save = () => act("save", { path: local.path || "" });
  const load = () => act("load", { path: local.path || state.path });
  const rename = (event) => {
    local.path = event.target.value;
  };
  const tabs = [
    {
      name: "cards",
      label: "Cards",
      body: () => state.seeds.map((seed, place) => seedCard(ui, seed, place)),
    },
    { name: "table", label: "Table", body: () => seedTable(ui) },
  ];
  return html`
    <${Row}>
      <${Button} label="Save" main keys="Ctrl+S" disabled=${!state.seeds.length} onClick=${save} />
      <${Button} label="Add a seed" onClick=${() => act("add")} />
      <${Button} label="Undo" disabled=${!state.can_undo} onClick=${() => act("undo")} />
      <${Button} label="Redo" disabled=${!state.can_redo} onClick=${() => act("redo")} />
      <${TextInput} class="sdg-path" aria-label="seed file" text=${state.path} onInput=${rename} />
      <${Button} label="Load this file" onClick=${load} />
    <//>
    ${state.problem && html`<${ErrorLine}>${state.problem}<//>`}
    <div class="sdg-all">${flawsOfAll(state)}</div>
    ${state.seeds.length > 0 && html`<${Tabs} ui=${ui} name="tab" tabs=${tabs} />`}
  `;
}

// What concerns all seeds; what is wrong with the task description stands beside its field.
function flawsOfAll(state) {
  const flaws = state.flaws_of_all.filter((flaw) => flaw.part !== "task_description");
  return flaws.map((flaw) => {
    const column = flaw.part ? `, ${LABELS[flaw.part]}` : "";
    return html`<${FlawLine} flaw=${{ ...flaw, message: `All seeds${column}: ${flaw.message}` }} />`;
  });
}

function seedCard(ui, seed, place) {
  return place === ui.state.open_place ? openCard(ui, seed, place) : closedCard(ui, seed, place);
}

function closedCard({ act }, seed, place) {
  const worst = ["error", "warning"].find((severity) =>
    seed.flaws.some((flaw) => flaw.severity === severity),
  );
  return html`<article class="sdg-item sdg-closed" key="closed ${place}">
    <${Link} onClick=${() => act("open", { place })}>Seed ${place + 1}<//>
    <span>${worst && html`<${Sign} name=${worst} /><span class="sdg-unseen">${worst}</span>`}</span>
    <p class="sdg-soft sdg-line">${seed.seed_question || "no question yet"}</p>
  </article>`;
}

function openCard(ui, seed, place) {
  const { state, act } = ui;
  return html`<article class="sdg-item" key="open ${place}" aria-label="seed ${place + 1}">
    <header>
      <strong>Seed ${place + 1} of ${state.seeds.length}</strong>
      <${Button} label="Duplicate" class="sdg-push" onClick=${() => act("duplicate", { place })} />
      <${Button} label="Remove" onClick=${() => act("remove", { place })} />
    </header>
    ${columnField(ui, seed, place, "task_description", 2)}
    <div class="sdg-pair">
      ${columnField(ui, seed, place, "seed_context", 6)}
      <div>
        ${columnField(ui, seed, place, "seed_question", 2)}
        ${columnField(ui, seed, place, "seed_response", 4)}
      </div>
    </div>
  </article>`;
}

function columnField(ui, seed, place, column, rows) {
  const { state, local, type, id } = ui;
  local.senders = local.senders || {};
  local.senders[column] =
    local.senders[column] ||
    debounced(250, (at, text) => type("edit", { place: at, column, text }));
  const sender = local.senders[column];
  const shared = column === "task_description" ? state.flaws_of_all : [];
  const flaws = [...seed.flaws, ...shared].filter((flaw) => flaw.part === column);
  const name = `${id}-${place}-${column}`;
  return html`<${Field} id=${name} label=${LABELS[column]} flaws=${flaws}>
    <${TextArea}
      id=${name}
      rows=${rows}
      text=${seed[column]}
      revision=${state.revision}
      aria-invalid=${flaws.some((flaw) => flaw.severity === "error") ? "true" : null}
      aria-describedby=${flaws.length ? `${name}-flaws` : null}
      onInput=${(event) => sender(place, event.target.value)}
      onChange=${(event) => sender.now(place, event.target.value)}
    />
  <//>`;
}

// Columns that are the same in every seed are left out, unless something is wrong in them.
function seedTable(ui) {
  const { state, act, local } = ui;
  const isShown = (column) => {
    if (column === "seed_question" || column === "seed_response") return true;
    const texts = new Set(state.seeds.map((seed) => seed[column]));
    return (
      texts.size > 1 || state.seeds.some((seed) => seed.flaws.some((flaw) => flaw.part === column))
    );
  };
  const columns = state.columns.filter(isShown);
  const open = (place) => {
    local.tab = "cards";
    act("open", { place });
    ui.draw();
  };
  const cell = (seed, column) => {
    const flaws = seed.flaws.filter((flaw) => flaw.part === column);
    return html`<${LongText} text=${seed[column]} most=${160} />${flaws.map((flaw) => html`<${FlawLine} flaw=${flaw} />`)}`;
  };
  const row = (seed, place) => [
    html`<${Link} onClick=${() => open(place)}>${place + 1}<//>`,
    ...columns.map((column) => cell(seed, column)),
  ];
  const head = ["seed", ...columns.map((column) => LABELS[column])];
  return html`<${Table} name="seeds" head=${head} rows=${state.seeds.map(row)} />`;
}

function onKey({ act, local }, key, isTyping, target) {
  if (key !== "Ctrl+s") return false;
  if (target.tagName === "TEXTAREA") target.dispatchEvent(new Event("change")); // what was typed goes first
  act("save", { path: local.path || "" });
  return true;
}

function unsaved(state) {
  const rows = state.seeds.map(({ flaws, ...row }) => row);
  return { content: rows, restore: state.is_kept && rows.length ? null : [["restore", { rows }]] };
}

panels.seeds = { view, onKey, unsaved };
