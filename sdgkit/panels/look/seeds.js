// The seeds: as cards of which one is open for editing, or all in a table.

const LABELS = {
  task_description: "task description",
  seed_context: "context",
  seed_question: "question",
  seed_response: "response",
};

// What a good seed looks like; shown where a field is empty.
const EXAMPLES = {
  task_description: "What to do, for example: Turn the feedback into a table with one row for each feature.",
  seed_context: "The material, as it really comes in, for example: After two weeks with the app: sync is slow, the charts are great. Leave it empty if the task has none.",
  seed_question: "What someone asks about it, for example: Which features does this feedback name?",
  seed_response: "The perfect answer, in exactly the form that you want, for example: | Feature | Sentiment | …",
};

function view(ui) {
  const { state, act, local } = ui;
  focusNewSeed(ui);
  const add = (action, values) => {
    local.expects = state.revision;
    act(action, values);
  };
  const save = () => {
    local.showsAll = true;
    act("save", { path: local.path || "" });
  };
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
      <${Button} label="Add a seed" onClick=${() => add("add")} />
      <${Button} label="Undo" disabled=${!state.can_undo} onClick=${() => act("undo")} />
      <${Button} label="Redo" disabled=${!state.can_redo} onClick=${() => act("redo")} />
      <${TextInput} class="sdg-path" aria-label="seed file" text=${state.path} onInput=${rename} />
      <${Button} label="Load this file" onClick=${load} />
    <//>
    ${state.can_ask && state.seeds.length > 0 && askingRow(ui)}
    ${state.problem && html`<${ErrorLine}>${state.problem}<//>`}
    <div class="sdg-all">${flawsOfAll(state)}</div>
    ${state.seeds.length > 0 && html`<${Tabs} ui=${ui} name="tab" tabs=${tabs} />`}
  `;
}

// The first empty field of a seed that was just added, once it is there.
function focusNewSeed({ state, local, focus }) {
  if (local.expects === undefined || local.expects === state.revision) return;
  local.expects = undefined;
  const place = state.open_place;
  const seed = state.seeds[place] || {};
  const empty = state.columns.find((column) => !seed[column]) || "seed_context";
  setTimeout(() => focus(`${place}-${empty}`));
}

// What the teacher can do for the seeds.
function askingRow({ state, act }) {
  const isBusy = Boolean(state.busy);
  const preview = () => act("preview", { place: state.open_place });
  return html`<${Row}>
    <${Button} label="Judge my seeds" disabled=${isBusy} onClick=${() => act("judge")} />
    <${Button} label="Propose another" disabled=${isBusy} onClick=${() => act("propose")} />
    <${Button} label="Preview seed ${state.open_place + 1}" disabled=${isBusy} onClick=${preview} />
    ${isBusy && html`<span class="sdg-soft">One moment…</span>`}
  <//>`;
}

// Two samples that the teacher made of this seed.
function previewsOf({ state }, place) {
  if (state.previewed !== place || !state.previews.length) return null;
  return html`<${Fold} title="What the teacher makes of this seed" open>
    ${state.previews.map(
      (sample) => html`<div key=${sample.id} class="sdg-item">
      <header><code>${sample.id}</code><span class="sdg-soft">${sample.verdict}</span></header>
      ${sample.context && html`<h4>context</h4><${LongText} text=${sample.context} most=${400} />`}
      <h4>question</h4><${LongText} text=${sample.question} />
      ${sample.response && html`<h4>response</h4><${LongText} text=${sample.response} most=${600} />`}
    </div>`,
    )}
  <//>`;
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

function closedCard(ui, seed, place) {
  const { act } = ui;
  const shown = shownFlaws(ui, seed, place, seed.flaws);
  const worst = ["error", "warning"].find((severity) =>
    shown.some((flaw) => flaw.severity === severity),
  );
  return html`<article class="sdg-item sdg-closed" key="closed ${place}">
    <${Link} onClick=${() => act("open", { place })}>Seed ${place + 1}<//>
    <span>${worst && html`<${Sign} name=${worst} /><span class="sdg-unseen">${worst}</span>`}</span>
    <p class="sdg-soft sdg-line">${seed.seed_question || "no question yet"}</p>
  </article>`;
}

function openCard(ui, seed, place) {
  const { state, act, local } = ui;
  const duplicate = () => {
    local.expects = state.revision;
    act("duplicate", { place });
  };
  return html`<article class="sdg-item" key="open ${place}" aria-label="seed ${place + 1}">
    <header>
      <strong>Seed ${place + 1} of ${state.seeds.length}</strong>
      ${seed.is_proposed && html`<span class="sdg-soft"><${Sign} name="warn" />written by the teacher, not by you: read it and make it yours</span>`}
      <${Button} label="Duplicate" class="sdg-push" onClick=${duplicate} />
      <${Button} label="Remove" onClick=${() => act("remove", { place })} />
    </header>
    ${columnField(ui, seed, place, "task_description", 2)}
    <div class="sdg-pair">
      ${columnField(ui, seed, place, "seed_context", 9)}
      <div>
        ${columnField(ui, seed, place, "seed_question", 2)}
        ${columnField(ui, seed, place, "seed_response", 5)}
      </div>
    </div>
    ${previewsOf(ui, place)}
  </article>`;
}

// An empty field is not wrong before you have been in it, or tried to save.
function shownFlaws({ local, state }, seed, place, flaws) {
  const isLeft = (column) => local.showsAll || local.left?.has(`${state.revision} ${place} ${column}`);
  return flaws.filter((flaw) => !flaw.part || seed[flaw.part] || isLeft(flaw.part));
}

function columnField(ui, seed, place, column, rows) {
  const { state, local, act, type, draw, id } = ui;
  local.senders = local.senders || {};
  local.senders[column] =
    local.senders[column] ||
    debounced(250, (at, text) => type("edit", { place: at, column, text }));
  const sender = local.senders[column];
  const shared = column === "task_description" ? state.flaws_of_all : [];
  const ofColumn = [...seed.flaws, ...shared].filter((flaw) => flaw.part === column);
  const flaws = shownFlaws(ui, seed, place, ofColumn);
  const leave = () => {
    local.left = local.left || new Set();
    local.left.add(`${state.revision} ${place} ${column}`);
    draw();
  };
  const name = `${id}-${place}-${column}`;
  return html`<${Field} id=${name} label=${LABELS[column]} flaws=${flaws}>
    <${TextArea}
      id=${name}
      rows=${rows}
      text=${seed[column]}
      revision=${state.revision}
      placeholder=${EXAMPLES[column]}
      onBlur=${leave}
      onPaste=${(event) => pasteRows(event, act)}
      aria-invalid=${flaws.some((flaw) => flaw.severity === "error") ? "true" : null}
      aria-describedby=${flaws.length ? `${name}-flaws` : null}
      onInput=${(event) => sender(place, event.target.value)}
      onChange=${(event) => sender.now(place, event.target.value)}
    />
  <//>`;
}

// Cells that were copied in a spreadsheet become seeds; any other text is pasted as it is.
function pasteRows(event, act) {
  const text = event.clipboardData.getData("text/plain");
  const isTable = /<table/i.test(event.clipboardData.getData("text/html"));
  if (!isTable || !text.includes("\t")) return;
  event.preventDefault();
  act("paste", { text });
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
  local.showsAll = true;
  act("save", { path: local.path || "" });
  return true;
}

function unsaved(state) {
  const rows = state.seeds.map(({ flaws, ...row }) => row);
  return { content: rows, restore: state.is_kept && rows.length ? null : [["restore", { rows }]] };
}

panels.seeds = { view, onKey, unsaved };
