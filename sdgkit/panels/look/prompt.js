// The prompt: an editor that marks variables and wrong lines; beside it what is sent, replied and changed.

const VARIABLES = /(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\})/;

function view(ui) {
  const { state, act, local } = ui;
  if (local.revision !== state.revision)
    Object.assign(local, { revision: state.revision, texts: {}, senders: {} });
  local.part = local.part || "generation";
  const rename = (event) => {
    local.path = event.target.value;
    ui.draw();
  };
  return html`
    <${Row}>
      <${Button} label="Save" main keys="Ctrl+S" disabled=${!state.can_save} onClick=${() => act("save")} />
      <${Button} label="Undo" disabled=${!state.can_undo} onClick=${() => act("undo")} />
      <${Button} label="Redo" disabled=${!state.can_redo} onClick=${() => act("redo")} />
      <${Button} label="Restore the shipped prompt" onClick=${() => act("restore")} />
      <${TextInput} class="sdg-path" aria-label="another file to save as" placeholder="another file.yaml" onInput=${rename} />
      <${Button} label="Save as" disabled=${!state.can_name && !local.path} onClick=${() => act("save", { path: local.path || "another file" })} />
    <//>
    ${state.problem && html`<${ErrorLine}>${state.problem}<//>`}
    <p class="sdg-rerun">${state.rerun}</p>
    <div class="sdg-two sdg-halves">
      <div>${editing(ui)}</div>
      <div>${trying(ui)}</div>
    </div>
    ${bench(ui)}
  `;
}

// Editing -------------------------------------------------------------------------------------------------------------

function editing(ui) {
  const { state, act, id } = ui;
  const tabs = state.parts.map((part) => {
    const flaws = state.flaws.filter((flaw) => flaw.part === part.name);
    return { name: part.name, label: partLabel(part, flaws), body: () => editor(ui, part, flaws) };
  });
  return html`
    ${
      state.stages.length > 1 &&
      html`<${Field} id="${id}-stage" label="prompt of the stage">
      <${Choice} id="${id}-stage" value=${state.stage} options=${state.stages} onChoice=${(name) => act("stage", { name })} />
    <//>`
    }
    <${Tabs} ui=${ui} name="part" tabs=${tabs} />
    ${samplingFields(ui)}
  `;
}

// The usual sampling parameters; all of them stand in the part "settings".
function samplingFields({ state, type, id }) {
  const field = ({ name, value }) => html`<${Field} key=${name} id="${id}-${name}" label=${name}>
    <${TextInput}
      id="${id}-${name}"
      inputmode="decimal"
      placeholder="as the stage"
      text=${value}
      revision=${state.revision}
      onChange=${(event) => type("sampling", { name, text: event.target.value })}
    />
  <//>`;
  return html`<div class="sdg-fields sdg-sampling" role="group" aria-label="sampling">${state.sampling.map(field)}</div>`;
}

function partLabel(part, flaws) {
  if (!flaws.length) return part.name;
  return html`${part.name} <${Sign} name="error" /><span class="sdg-unseen">to correct</span>`;
}

// A textarea over the same text with its marks, which gives both their height.
function editor({ state, type, local, draw }, part, flaws) {
  const text = local.texts[part.name] ?? part.text;
  local.senders[part.name] =
    local.senders[part.name] ||
    debounced(200, (value) => type("text", { part: part.name, text: value }));
  const sender = local.senders[part.name];
  const wrongLines = new Set(flaws.map((flaw) => flaw.line));
  const takeInput = (event) => {
    local.texts[part.name] = event.target.value;
    sender(event.target.value);
    draw();
  };
  return html`<div>
    <div class="sdg-editor">
      <pre aria-hidden="true">${text.split("\n").map((line, place) => markedLine(line, wrongLines.has(place + 1)))}</pre>
      <${TextArea}
        key="${state.stage} ${part.name}"
        aria-label="${part.name} of the prompt ${state.stage}"
        spellcheck="false"
        text=${part.text}
        revision=${state.revision}
        aria-invalid=${flaws.length ? "true" : null}
        onInput=${takeInput}
        onChange=${(event) => sender.now(event.target.value)}
      />
    </div>
    ${flaws.map((flaw) => html`<${FlawLine} flaw=${flaw} role="alert" />`)}
  </div>`;
}

function markedLine(line, isWrong) {
  const pieces = line
    .split(VARIABLES)
    .map((piece, place) => (place % 2 ? html`<b>${piece}</b>` : piece));
  return html`<span class=${isWrong ? "sdg-code-line sdg-flawed-line" : "sdg-code-line"}>${pieces}${"\n"}</span>`;
}

// Trying --------------------------------------------------------------------------------------------------------------

function trying(ui) {
  const { state, act, id } = ui;
  const isIdle = state.can_try && !state.busy;
  const tabs = [
    { name: "messages", label: "What is sent", body: () => messages(state) },
    { name: "replies", label: "Replies", body: () => replies(state) },
    {
      name: "diff",
      label: state.diff.length ? "Changes" : "Changes (none)",
      body: () => changes(state),
    },
  ];
  return html`
    <${Field} id="${id}-row" label="row to try it on">
      <${Choice} id="${id}-row" value=${state.row} options=${state.rows} onChoice=${(number) => act("row", { number })} />
    <//>
    <${Row}>
      <${Button} label="Try" keys="Ctrl+Enter" disabled=${!isIdle} onClick=${() => tryOut(ui)} />
      <${Button} label="Try on 5" disabled=${!isIdle} onClick=${() => tryOut(ui, { several: true })} />
      <${Button} label="Compare with shipped and saved" disabled=${!isIdle} onClick=${() => act("bench")} />
      ${state.busy && html`<${Button} label="Cancel" onClick=${() => act("cancel")} />`}
      ${!state.can_try && html`<span class="sdg-soft">To try it, pass teacher= to this panel.</span>`}
    <//>
    ${state.busy && html`<${Soft}>${state.busy}<//>`}
    <${Tabs} ui=${ui} name="side" tabs=${tabs} />
  `;
}

function tryOut({ act, local, draw }, values = {}) {
  local.side = "replies";
  act("try", values);
  draw();
}

// The versions of the prompt side by side on the same rows. Earlier tries stay.
function bench(ui) {
  const { state, act, type, id } = ui;
  const shown = state.shown_try;
  if (!shown) return null;
  return html`<section class="sdg-item" aria-label="bench">
    <div class="sdg-fields">
      <${Field} id="${id}-try" label="try">
        <${Choice} id="${id}-try" value=${state.shown_try_number} options=${state.tries} onChoice=${(number) => act("show try", { number })} />
      <//>
      <${Field} id="${id}-try-name" label="its name">
        <${TextInput}
          id="${id}-try-name"
          text=${shown.name}
          revision=${state.shown_try_number}
          onChange=${(event) => type("name try", { name: event.target.value })}
        />
      <//>
    </div>
    <${Row}>
      <${Button} label="The same on 5 rows" disabled=${!state.can_try || Boolean(state.busy)} onClick=${() => act("bench", { several: true })} />
      <span class="sdg-soft">${shown.stage}; what the version to its left lacks is marked.</span>
    <//>
    ${shown.rows.map((row) => benchRow(shown, row))}
  </section>`;
}

function benchRow(shown, row) {
  return html`<section class="sdg-item" key=${row.id} aria-label=${row.id}>
    <code>${row.id}</code>
    <${Fold} title="input">
      ${row.inputs.map(([name, text]) => html`<div><h4>${name}</h4><${LongText} text=${text} /></div>`)}
    <//>
    <div class="sdg-bench">
      ${row.cells.map((cell, place) => benchCell(shown.versions[place], cell, shown.judged))}
    </div>
  </section>`;
}

function benchCell(name, cell, judged) {
  const isGood = !cell.reason && (!judged || cell.kept > 0);
  const verdict = [];
  if (cell.scores.length) verdict.push(`score ${cell.scores.join(", ")}`);
  if (judged && cell.tried) verdict.push(`${cell.kept} of ${cell.tried} kept`);
  return html`<div key=${name}>
    <h4><${Sign} name=${isGood ? "good" : "bad"} />${[name, ...verdict].join(" · ")}</h4>
    ${cell.reason && html`<p>${cell.reason}</p>`}
    <${Marked} stretches=${cell.stretches} />
    ${cell.evaluations.length > 0 && html`<div class="sdg-judge"><h4>The judge</h4><${LongText} text=${cell.evaluations.join("\n\n")} /></div>`}
  </div>`;
}

function messages(state) {
  if (!state.messages.length)
    return html`<${Soft}>This prompt cannot be rendered yet: correct what is marked with ✕.<//>`;
  return html`<${List} name="what is sent">
    ${state.messages.map((message) => html`<div><h4>${message.role} message</h4><${Text}>${message.content}<//></div>`)}
  <//>`;
}

function replies(state) {
  if (!state.trials.length) {
    return html`<${Soft}>Nothing has been tried yet${state.can_try ? ": Try sends the prompt to the teacher." : "."}<//>`;
  }
  return html`<${List} name="replies">
    ${state.trials.map((trial) => html`<article class="sdg-item">${trial === null ? waiting() : result(trial)}</article>`)}
  <//>`;
}

function waiting() {
  return html`<${Soft}>Waiting for the reply…<//>`;
}

// The reply as it came, with what was parsed from it marked by its column.
function result(trial) {
  const scores = trial.rows.filter((row) => typeof row.score === "number");
  const piece = ([text, column]) =>
    column
      ? html`<mark title=${column}><small>${column}</small>${text}</mark>`
      : html`<span>${text}</span>`;
  return html`
    <header>
      <code>${trial.id}</code>
      <span><${Sign} name=${trial.reason ? "bad" : "good"} />${outcome(trial)}</span>
      ${scores.map((row) => html`<strong>score ${row.score}</strong>`)}
    </header>
    ${trial.message && html`<p>${trial.message}</p>`}
    <pre dir="auto" class="sdg-raw">${trial.pieces.map(piece)}</pre>
  `;
}

function outcome({ reason, rows, seconds, tokens }) {
  const parsed = reason || `${rows.length} record${rows.length === 1 ? "" : "s"} parsed`;
  if (seconds === null) return parsed;
  return `${parsed} · ${seconds.toFixed(2)} s, ${formatNumber(tokens)} tokens`;
}

function changes(state) {
  if (!state.diff.length) return html`<${Soft}>Nothing has changed since it was saved.<//>`;
  const classes = { "+": "sdg-plus", "-": "sdg-minus" };
  const line = (text) => html`<span class=${classes[text[0]] || "sdg-soft"}>${text}${"\n"}</span>`;
  return html`<pre class="sdg-diff">${state.diff.slice(2).map(line)}</pre>`;
}

function onKey(ui, key) {
  const { state, act, type, local } = ui;
  if (key !== "Ctrl+s" && key !== "Ctrl+Enter") return false;
  for (const [part, text] of Object.entries(local.texts)) type("text", { part, text }); // first what you typed
  if (key === "Ctrl+s") act("save");
  else if (state.can_try && !state.busy) tryOut(ui);
  return true;
}

function unsaved({ stage, parts, is_kept: isKept }) {
  const texts = Object.fromEntries(parts.map((part) => [part.name, part.text]));
  return { content: [stage, texts], restore: isKept ? null : [["restore_texts", { stage, texts }]] };
}

panels.prompt = { view, onKey, unsaved };
