// The review: one sample beside its seed with the judge's words, all in a table, and two figures.

const FILTERS = ["show", "score", "fault", "seed", "reason"];

function view(ui) {
  const { state, act, local, id } = ui;
  local.search = local.search || debounced(250, (text) => act("filter", { text }));
  const orEmpty = (body) => () => (state.total ? body(ui) : emptyNote(state));
  const tabs = [
    { name: "one", label: "One by one", body: orEmpty(oneSample) },
    { name: "table", label: "Table", body: orEmpty(sampleTable) },
    { name: "figures", label: "Figures", body: orEmpty(figures) },
  ];
  return html`
    <div class="sdg-filters" role="group" aria-label="filters">
      ${FILTERS.map((name) => filterField(ui, name))}
      <${Field} id="${id}-text" label="text">
        <${TextInput}
          id="${id}-text"
          type="search"
          text=${state.filters.text}
          onInput=${(event) => local.search(event.target.value)}
        />
      <//>
    </div>
    <${Tabs} ui=${ui} name="tab" tabs=${tabs} />
  `;
}

function filterField({ state, act, id }, name) {
  return html`<${Field} key=${name} id="${id}-${name}" label=${name}>
    <${Choice}
      id="${id}-${name}"
      value=${state.filters[name]}
      options=${state.choices[name]}
      onChoice=${(value) => act("filter", { [name]: value })}
    />
  <//>`;
}

function emptyNote(state) {
  if (state.samples)
    return html`<${Soft}>No sample matches these filters. Show all, or remove a filter.<//>`;
  return html`<${Soft}>There are no samples yet. Run this cell again when the run has made some.<//>`;
}

// One by one ----------------------------------------------------------------------------------------------------------

// What you have begun with a sample: the reason of a rejection, and its texts while you edit. It is kept for each sample
// as you move on.
function draftOf({ state, local }) {
  const { id } = state.sample;
  local.drafts = local.drafts || {};
  local.drafts[id] = local.drafts[id] || { reason: "", rejections: 0, isEditing: false, texts: {} };
  return local.drafts[id];
}

// What is pressed stands above the texts, so that it stays in place from sample to sample.
function oneSample(ui) {
  const { sample } = ui.state;
  const judgement = sample.score === null ? "The judge" : `The judge: ${sample.score}`;
  return html`<div>
    ${moving(ui)}
    ${draftOf(ui).isEditing ? saving(ui) : deciding(ui)}
    ${Object.keys(sample.texts).map((name) => textPair(ui, name))}
    <div class="sdg-judge" key="${sample.id} judge">
      <h4>${judgement}</h4>
      ${sample.faults.length > 0 && html`<p>Faults: ${sample.faults.join(", ")}</p>`}
      <${LongText} text=${sample.evaluation || "no evaluation"} />
    </div>
    ${seedMaking(ui)}
  </div>`;
}

function moving({ state, act }) {
  const { sample } = state;
  const reason = sample.reason ? `: ${sample.reason}` : "";
  return html`<${Row}>
    <${Button} label="Back" keys="k" disabled=${state.position <= 1} onClick=${() => act("step", { by: -1 })} />
    <${Button} label="Next" keys="j" disabled=${state.position >= state.total} onClick=${() => act("step", { by: 1 })} />
    <span>
      <code>${sample.id}</code> · ${state.position} of ${state.total} · <${Sign} name=${sample.state} />${sample.state}${reason}
      ${sample.state === "outdated" && " (it has changed since you decided)"}
    </span>
    <${Button} label="Undo" keys="u" class="sdg-push" disabled=${!state.can_undo} onClick=${() => act("undo")} />
    <${Button} label="Redo" keys="U" disabled=${!state.can_redo} onClick=${() => act("redo")} />
  <//>`;
}

function deciding(ui) {
  const { state, act, id } = ui;
  const draft = draftOf(ui);
  const onEnter = (event) => {
    if (event.key !== "Enter") return;
    event.target.closest(".sdg").focus();
    reject(ui);
  };
  const keepReason = (event) => {
    draft.reason = event.target.value;
  };
  return html`<${Row}>
    <${Button} label="Accept" main keys="a" onClick=${() => act("accept")} />
    <${Button} label="Reject" keys="r" onClick=${() => reject(ui)} />
    <${TextInput}
      class="sdg-path"
      id="${id}-rejection"
      aria-label="reason for a rejection"
      placeholder="reason, then Enter"
      list="${id}-reasons"
      text=${draft.reason}
      revision="${state.sample.id} ${draft.rejections}"
      onInput=${keepReason}
      onKeyDown=${onEnter}
    />
    <datalist id="${id}-reasons">
      ${state.choices.reason.slice(1).map((choice) => html`<option key=${choice.value} value=${choice.value} />`)}
    </datalist>
    <${Button} label="Edit" keys="e" onClick=${() => edit(ui, true)} />
  <//>`;
}

function reject(ui) {
  const draft = draftOf(ui);
  ui.act("reject", { reason: draft.reason });
  draft.reason = "";
  draft.rejections += 1;
  ui.draw();
}

function saving(ui) {
  return html`<${Row}>
    <${Button} label="Save as edited" main keys="Ctrl+S" onClick=${() => save(ui)} />
    <${Button} label="Discard changes" keys="Escape" onClick=${() => edit(ui, false)} />
  <//>`;
}

function save(ui) {
  const { state, act } = ui;
  act("edit", { texts: { ...state.sample.texts, ...draftOf(ui).texts } });
  edit(ui, false);
}

function edit(ui, isEditing) {
  Object.assign(draftOf(ui), { isEditing, texts: {} });
  ui.draw();
  if (isEditing) ui.focus("response");
}

function textPair(ui, name) {
  const { sample } = ui.state;
  return html`<div class="sdg-pair" key="${sample.id} ${name}">
    <div>${draftOf(ui).isEditing ? editedText(ui, name) : decidedText(sample, name)}</div>
    <div class="sdg-aside">
      <h4>${name} of its seed</h4>
      <${LongText} text=${sample.seed_texts[name]} />
    </div>
  </div>`;
}

function editedText(ui, name) {
  const { state, id } = ui;
  const draft = draftOf(ui);
  const text = state.sample.texts[name];
  const lines = text.split("\n").length + 1;
  const keep = (event) => {
    draft.texts[name] = event.target.value;
  };
  return html`<${Field} id="${id}-${name}" label=${name}>
    <${TextArea}
      id="${id}-${name}"
      rows=${Math.min(24, Math.max(3, lines))}
      text=${draft.texts[name] ?? text}
      onInput=${keep}
    />
  <//>`;
}

function decidedText(sample, name) {
  const text = sample.texts[name];
  const written = sample.written[name];
  const isEdited = text !== written;
  return html`
    <h4>${name}${isEdited && " (edited)"}</h4>
    <${LongText} text=${text} />
    ${isEdited && html`<${Fold} title="as the teacher wrote it"><${LongText} text=${written} /><//>`}
  `;
}

function seedMaking({ state, act, local, id }) {
  const isGood = state.sample.state === "accepted" || state.sample.state === "edited";
  const rename = (event) => {
    local.seedFile = event.target.value;
  };
  const make = () => act("seed", { path: local.seedFile || state.seed_file });
  return html`<${Fold} title="Make this a seed">
    <${Row}>
      <label for="${id}-seeds">seed file</label>
      <${TextInput} id="${id}-seeds" class="sdg-path" text=${state.seed_file} onChange=${rename} />
      <${Button} label="Make this a seed" disabled=${!isGood} onClick=${make} />
      ${!isGood && html`<span class="sdg-soft">Accept or edit it first.</span>`}
    <//>
  <//>`;
}

// The table and the figures -------------------------------------------------------------------------------------------

function sampleTable({ state, act, local, draw }) {
  const open = (id) => {
    local.tab = "one";
    act("go", { id });
    draw();
  };
  const row = (sample) => [
    html`<${Link} onClick=${() => open(sample.id)}><code>${sample.id}</code><//>`,
    html`<${Sign} name=${sample.state} />${sample.state}${sample.reason && `: ${sample.reason}`}`,
    sample.score,
    sample.question,
    html`<${Text}>${sample.response}<//>`,
  ];
  const turn = (by) => act("page", { number: state.page + by });
  const head = ["id", "decision", "score", "question", "response"];
  return html`<div>
    <${Table} name="samples" head=${head} rows=${state.rows.map(row)} />
    <${Row} class="sdg-pages">
      <${Button} label="Back" disabled=${state.page <= 0} onClick=${() => turn(-1)} />
      <${Button} label="Next" disabled=${state.page + 1 >= state.pages} onClick=${() => turn(1)} />
      <span>page ${state.page + 1} of ${state.pages}, ${formatNumber(state.total)} samples</span>
    <//>
  </div>`;
}

function figures({ state }) {
  const figure = ({ title, caption, drawing }) => html`<figure key=${title}>
    <h4>${title}</h4>
    <${Soft}>${caption}<//>
    ${drawing ? html`<${Drawing} svg=${drawing} />` : html`<${Soft}>There is nothing to draw.<//>`}
  </figure>`;
  return html`<div class="sdg-pair">${state.figures.map(figure)}</div>`;
}

function onKey(ui, key, isTyping) {
  const { state, act, local, focus } = ui;
  const isOne = (local.tab || "one") === "one";
  if (!isOne || !state.sample) return false;
  const { isEditing } = draftOf(ui);
  if (isTyping && !isEditing) return false;
  const whileEditing = { Escape: () => edit(ui, false), "Ctrl+s": () => save(ui) };
  const whileDeciding = {
    a: () => act("accept"),
    u: () => act("undo"),
    U: () => act("redo"),
    e: () => edit(ui, true),
    j: () => act("step", { by: 1 }),
    k: () => act("step", { by: -1 }),
    r: () => focus("rejection"),
  };
  const command = (isEditing ? whileEditing : whileDeciding)[key];
  if (command) command();
  return Boolean(command);
}

panels.review = { view, onKey };
