// The review: one sample beside its seed with the judge's words, all in a table, and two figures.

const MOST_SKIPPED = 12;
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
    ${state.undecided > 0 && decidingTogether(ui)}
    <${Tabs} ui=${ui} name="tab" tabs=${tabs} />
    ${!state.end && rangeMeaning(state)}
  `;
}

// A decision about all that the filters leave.
function decidingTogether({ state, act, local, id }) {
  const number = formatNumber(state.undecided);
  const keep = (event) => {
    local.reasonForAll = event.target.value;
  };
  const reject = () => act("reject all", { reason: local.reasonForAll || "" });
  return html`<${Fold} title="Decide on all ${number} undecided samples that these filters show" class="sdg-together">
    <${Row}>
      <${Button} label="Accept all ${number}" onClick=${() => act("accept all")} />
      <${Button} label="Reject all ${number}" onClick=${reject} />
      <${TextInput} class="sdg-path" aria-label="reason for rejecting all" placeholder="reason" list="${id}-reasons" onInput=${keep} />
      <span class="sdg-soft">One Undo reverts them all.</span>
    <//>
  <//>`;
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

// What is pressed stands above the texts, and the response right below it: both stay in place from sample to sample.
function oneSample(ui) {
  if (ui.state.end) return endPage(ui);
  const { sample } = ui.state;
  const names = Object.keys(sample.texts).filter((name) => name !== "response");
  return html`<div>
    ${moving(ui)}
    ${draftOf(ui).isEditing ? saving(ui) : deciding(ui)}
    <div class="sdg-desk">
      <div key="${sample.id} response">${textOfSample(ui, "response")}</div>
      <div class="sdg-judge" key="${sample.id} judge">
        <h4>${sample.score === null ? "The judge" : `The judge: ${sample.score}`}</h4>
        ${sample.faults.length > 0 && html`<p>Faults: ${sample.faults.join(", ")}</p>`}
        <${LongText} text=${sample.evaluation || "no evaluation"} />
      </div>
    </div>
    ${names.reverse().map((name) => html`<div key="${sample.id} ${name}">${textOfSample(ui, name)}</div>`)}
    <${Fold} title="Its seed">${Object.entries(sample.seed_texts).reverse().map(seedText)}<//>
    ${seedMaking(ui)}
  </div>`;
}

function seedText([name, text]) {
  return html`<div class="sdg-aside"><h4>${name} of its seed</h4><${Prose} text=${text} /></div>`;
}

// A long context scrolls by itself.
function textOfSample(ui, name) {
  if (draftOf(ui).isEditing) return editedText(ui, name);
  const text = decidedText(ui.state.sample, name);
  if (name !== "context") return text;
  return html`<div class="sdg-well" role="region" tabindex="0" aria-label="context">${text}</div>`;
}

// After the last sample: what the decisions imply, what was skipped, and what to do.
function endPage(ui) {
  const { state, act } = ui;
  const { implied, advice, skipped } = state.end;
  const link = (id) => html`<${Link} key=${id} onClick=${() => act("go", { id })}><code>${id}</code><//>`;
  return html`<section class="sdg-end" aria-label="the end">
    <${Row}><${Button} label="Back" keys="k" onClick=${() => act("step", { by: -1 })} /><//>
    <h4>You have been through all ${formatNumber(state.total)} that these filters show</h4>
    ${implied && html`<p>${implied}</p>`}
    ${rangeMeaning(state)}
    ${
      skipped.length > 0 &&
      html`<p>Undecided: ${skipped.slice(0, MOST_SKIPPED).map((id) => html`${link(id)} `)}
      ${skipped.length > MOST_SKIPPED && `and ${formatNumber(skipped.length - MOST_SKIPPED)} more`}</p>`
    }
    <h4>What to do</h4>
    <ul class="sdg-notes">${advice.map((sentence) => html`<li>${sentence}</li>`)}</ul>
  </section>`;
}

function rangeMeaning({ meaning }) {
  return meaning && html`<${Fold} title="What does the range mean?"><p>${meaning}</p><//>`;
}

function moving({ state, act }) {
  const { sample } = state;
  const reason = sample.reason ? `: ${sample.reason}` : "";
  return html`<${Row}>
    <${Button} label="Back" keys="k" disabled=${state.position <= 1} onClick=${() => act("step", { by: -1 })} />
    <${Button} label="Next" keys="j" onClick=${() => act("step", { by: 1 })} />
    <${Button} label="Next undecided" keys="n" disabled=${!state.undecided} onClick=${() => act("next")} />
    <span>
      <code>${sample.id}</code> · ${state.position} of ${state.total} · <${Sign} name=${sample.state} />${sample.state}${reason}
      ${sample.state === "outdated" && " (it has changed since you decided)"}
      ${state.skipped > 0 && html`<span class="sdg-soft"> · ${state.skipped} undecided before it</span>`}
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
    <${Button} label="Discard changes" onClick=${() => edit(ui, false)} />
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
    <${Prose} text=${text} />
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
    formatNumber(sample.length),
    sample.question,
    html`<${Text}>${sample.response}<//>`,
    html`<span class="sdg-both">
      <${Button} label="Accept" aria-label="Accept ${sample.id}" disabled=${sample.state === "accepted"} onClick=${() => act("accept", { id: sample.id })} />
      <${Button} label="Reject" aria-label="Reject ${sample.id}" disabled=${sample.state === "rejected"} onClick=${() => act("reject", { id: sample.id })} />
    </span>`,
  ];
  const turn = (by) => act("page", { number: state.page + by });
  const sorted = state.sorting.descending ? "descending" : "ascending";
  const column = (title, by = title) => ({
    title,
    sorted: state.sorting.by === by ? sorted : null,
    onSort: () => act("sort", { by }),
  });
  const head = [
    column("id", "lineage"),
    column("decision"),
    column("score"),
    column("length"),
    "question",
    "response",
    "decide",
  ];
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
  if (!isOne || (!state.sample && !state.end)) return false;
  const { isEditing } = state.sample ? draftOf(ui) : { isEditing: false };
  if (isTyping && !isEditing) return false;
  const whileEditing = { "Ctrl+s": () => save(ui) };
  if (state.end) {
    const back = { k: () => act("step", { by: -1 }), u: () => act("undo") }[key];
    if (back) back();
    return Boolean(back);
  }
  const whileDeciding = {
    a: () => act("accept"),
    u: () => act("undo"),
    U: () => act("redo"),
    e: () => edit(ui, true),
    j: () => act("step", { by: 1 }),
    n: () => act("next"),
    k: () => act("step", { by: -1 }),
    r: () => focus("rejection"),
  };
  const command = (isEditing ? whileEditing : whileDeciding)[key];
  if (command) command();
  return Boolean(command);
}

panels.review = { view, onKey };
