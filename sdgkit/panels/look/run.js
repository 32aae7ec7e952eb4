// The run: the method's picture with its numbers, the newest samples, and what was dropped at a stage.

const MORE_DROPS = 30;

function view(ui) {
  const { state, id, act } = ui;
  const lost = state.stages.reduce((sum, stage) => sum + stage.dropped, 0);
  // Which tab is open at first stays open: nothing jumps while it is watched.
  ui.local.tab ??= state.sign === "done" ? "newest" : "texts";
  const tabs = [
    { name: "texts", label: "As it comes", body: () => newestTexts(ui) },
    { name: "newest", label: "Newest samples", body: () => newestSamples(ui) },
    {
      name: "dropped",
      label: lost ? `Dropped (${formatNumber(lost)})` : "Dropped",
      body: () => dropped(ui),
    },
    {
      name: "notes",
      label: state.notes.length ? `Notes (${state.notes.length})` : "Notes",
      body: () => notes(state),
    },
  ];
  return html`
    <${Row}>
      ${state.start_label && startButtons(ui)}
      <progress max="1" value=${state.fraction} aria-label="share of the work that is done"></progress>
    <//>
    ${state.plan && html`<${Soft}>${state.plan}<//>`}
    ${state.estimate && html`<${Fold} title="Estimate from a few rows" open><${Text}>${state.estimate}<//><//>`}
    ${state.judge_doubt && judgeQuestion(ui)}
    ${
      state.wants_key &&
      html`<${Field} id="${id}-key" label="fresh key">
      <${KeyInput}
        id="${id}-key"
        placeholder="kept in memory only; Enter continues"
        onKey=${(key) => act("renew", { key })}
      />
    <//>`
    }
    <${Facts} facts=${state.facts} />
    <div class="sdg-two sdg-picture-first">
      <${Drawing} class="sdg-picture" svg=${state.picture} onClick=${(event) => showDrops(ui, clickedStage(event, state))} />
      <${Tabs} ui=${ui} name="tab" tabs=${tabs} />
    </div>
  `;
}

function startButtons({ state, act }) {
  return html`
    <${Button} label=${state.start_label} main disabled=${!state.can_start} onClick=${() => act("start")} />
    <${Button} label="Cancel" disabled=${!state.can_cancel} onClick=${() => act("cancel")} />
    ${state.can_estimate && html`<${Button} label="Estimate" onClick=${() => act("estimate")} />`}
    ${state.busy && html`<span class="sdg-soft">${state.busy}</span>`}
  `;
}

function judgeQuestion({ state, act }) {
  return html`<section aria-label="Is the judge right?">
    <${Row}>
      <${Button} label="Continue" main onClick=${() => act("continue")} />
      <${Button} label="Stop here" onClick=${() => act("cancel")} />
    <//>
    <${Drawing} svg=${state.judge_doubt} />
  </section>`;
}

// While you read (with the mouse or the focus on the list), the list stands still.
function newestSamples({ state, local, draw }) {
  const shown = local.held || state.newest;
  const hold = () => {
    local.held = local.held || state.newest;
  };
  const release = () => {
    local.held = null;
    draw();
  };
  const isBehind = state.newest.some((sample) => !shown.find((other) => other.id === sample.id));
  return html`<${List}
    name="newest samples"
    onMouseEnter=${hold}
    onMouseLeave=${release}
    onFocusIn=${hold}
    onFocusOut=${release}
  >
    <${Soft}>${newestNote(state, shown, isBehind)}<//>
    ${shown.map(newSample)}
  <//>`;
}

// What each stage wrote last, from the first reply on. It stands still while you read, like the samples.
function newestTexts({ state, local, draw }) {
  const shown = local.heldTexts || state.texts;
  const hold = () => {
    local.heldTexts = local.heldTexts || state.texts;
  };
  const release = () => {
    local.heldTexts = null;
    draw();
  };
  return html`<${List}
    name="newest texts of each stage"
    onMouseEnter=${hold}
    onMouseLeave=${release}
    onFocusIn=${hold}
    onFocusOut=${release}
  >
    <${Soft}>${local.heldTexts ? "Paused while you read." : textsNote(state)}<//>
    ${shown.map(
      ({ stage, texts }) => html`<section key=${stage} class="sdg-item">
      <header><code>${stage}</code><span class="sdg-soft">${texts[0].id}</span></header>
      ${texts.slice(0, 1).map(newText)}
    </section>`,
    )}
  <//>`;
}

function textsNote(state) {
  if (state.texts.length) return "What each stage wrote last.";
  return state.start_label ? "What the stages write appears here as soon as the first reply arrives." : "";
}

function newText({ id, texts, reason, message }) {
  if (reason)
    return html`<p key="${id} ${reason}"><${Sign} name="error" />dropped: ${reason}. <span class="sdg-soft">${message}</span></p>`;
  const columns = Object.entries(texts);
  const column = ([name, text]) => html`<div key=${name}>
    ${columns.length > 1 && html`<span class="sdg-soft">${name}</span>`}
    <${LongText} text=${text} most=${200} />
  </div>`;
  return html`<div key=${id} class="sdg-text">${columns.map(column)}</div>`;
}

function newestNote(state, shown, isBehind) {
  if (isBehind && shown.length) return "Paused while you read; there are newer samples.";
  if (shown.length) return "Newest first.";
  return state.samples
    ? "The samples are in the run's folder."
    : "Samples appear here as they are made.";
}

function newSample(sample) {
  const isScored = typeof sample.score === "number";
  return html`<article key=${sample.id} class="sdg-item">
    <header>
      <code>${sample.id}</code>
      <span class="sdg-soft">${isScored && `score ${sample.score}`}</span>
    </header>
    <h4>question</h4>
    <${LongText} text=${sample.question} most=${240} />
    <h4>response</h4>
    <${LongText} text=${sample.response} most=${400} />
  </article>`;
}

// Drops ---------------------------------------------------------------------------------------------------------------

function showDrops({ act, local, draw }, name) {
  if (!name) return;
  local.tab = "dropped";
  act("stage", { name });
  draw();
}

// The stage of the picture that was clicked: its groups stand in the order of the stages.
function clickedStage(event, state) {
  const groups = [...event.currentTarget.querySelectorAll("svg > g")];
  const above = groups.filter((group) => group.getBoundingClientRect().top - 4 <= event.clientY);
  return state.stages[above.length - 1]?.name;
}

function dropped(ui) {
  const { state, id } = ui;
  const { drops, stages } = state;
  const entries = stages.map((stage) => ({
    value: stage.name,
    label: `${stage.name} (${formatNumber(stage.dropped)})`,
  }));
  if (!drops) entries.unshift({ value: "", label: "choose one, or click it in the picture" });
  return html`<div>
    <${Field} id="${id}-stage" label="stage">
      <${Choice}
        id="${id}-stage"
        value=${drops ? drops.stage : ""}
        options=${entries}
        onChoice=${(name) => showDrops(ui, name)}
      />
    <//>
    ${drops && dropList(ui)}
  </div>`;
}

function dropList({ state, act }) {
  const { stage: name, drops, traces } = state.drops;
  const stage = state.stages.find((entry) => entry.name === name);
  const more = Math.max(0, (stage ? stage.dropped : 0) - drops.length);
  const showMore = () => act("stage", { name, most: drops.length + MORE_DROPS });
  const openTrace = (drop) => (event) => {
    const isItself = event.target === event.currentTarget;
    if (isItself && event.target.open && !traces[drop.id]) act("trace", { id: drop.id });
  };
  return html`
    <${Soft}>
      ${drops.length ? `${formatNumber(drops.length)} of ${formatNumber(drops.length + more)} shown. ` : "Nothing was dropped here."}
      ${more > 0 && html`<${Button} label="Show ${Math.min(more, MORE_DROPS)} more" onClick=${showMore} />`}
    <//>
    <${List} name="drops">
      ${drops.map(
        (
          drop,
        ) => html`<details key="${name} ${drop.id}" class="sdg-item" onToggle=${openTrace(drop)}>
        <summary>
          <code>${drop.id}</code> <strong>${drop.reason}</strong> <span class="sdg-soft">${drop.message}</span>
        </summary>
        ${trace(traces[drop.id])}
      </details>`,
      )}
    <//>
  `;
}

// What was sent and what came back, the last exchange first; earlier ones are folded.
function trace(exchanges) {
  if (!exchanges) return html`<${Soft}>Reading…<//>`;
  if (!exchanges.length) return html`<${Soft}>No request was made for this row.<//>`;
  return exchanges.map((exchange, place) =>
    exchangeTexts(exchange).map(
      ([title, text]) => html`<div class="sdg-trace">
    ${
      place === 0
        ? html`<h4>${title}</h4><${LongText} text=${text} />`
        : html`<${Fold} title=${title}><${LongText} text=${text} /><//>`
    }
  </div>`,
    ),
  );
}

function exchangeTexts(exchange) {
  const attempt = exchange.attempt > 1 ? `, attempt ${exchange.attempt}` : "";
  const name = `${exchange.stage}${attempt}`;
  const texts = [[`${name}: the raw reply`, exchange.text]];
  if (exchange.reasoning) texts.push([`${name}: the teacher's reasoning`, exchange.reasoning]);
  for (const message of exchange.messages)
    texts.push([`${name}: the ${message.role} message that was sent`, message.content]);
  return texts;
}

function notes(state) {
  if (!state.notes.length) return html`<${Soft}>There are no notes.<//>`;
  return html`<ul class="sdg-notes">${state.notes.map((note) => html`<li>${note}</li>`)}</ul>`;
}

panels.run = { view };
