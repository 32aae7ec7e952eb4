// The profile: the criteria with the seeds that break them, the lists, the checks, and what questions steer.

const STEERING = [
  { value: "", label: "unknown" },
  { value: "yes", label: "yes: several questions per context" },
  { value: "no", label: "no: one question per context, and more contexts" },
];

function view(ui) {
  const { state, act, local } = ui;
  if (local.revision !== state.revision)
    Object.assign(local, { revision: state.revision, senders: {} });
  return html`
    <${Row}>
      <${Button} label=${state.is_empty ? "Study" : "Study again"} main=${state.is_empty} disabled=${!state.can_study} onClick=${() => act("study")} />
      ${state.busy && html`<${Button} label="Cancel" onClick=${() => act("cancel")} />`}
      <${Button} label="Save" main=${!state.is_empty} keys="Ctrl+S" disabled=${!state.can_save} onClick=${() => act("save")} />
      <${Button} label="Undo" disabled=${!state.can_undo} onClick=${() => act("undo")} />
      <${Button} label="Redo" disabled=${!state.can_redo} onClick=${() => act("redo")} />
    <//>
    <${Soft}>${state.study_label}<//>
    ${state.problem && html`<${ErrorLine}>${state.problem}<//>`}
    ${state.notes.map((note) => html`<p class="sdg-flaw"><${Sign} name="warning" />${note}</p>`)}
    ${criteria(ui)}
    <div class="sdg-two">
      <div>${variety(ui)}</div>
      <div>${checks(ui)}${steering(ui)}</div>
    </div>
  `;
}

// Sends a text a moment after the last key, or at once when you leave the field.
function senderOf({ local, type }, name, action, values) {
  local.senders[name] =
    local.senders[name] || debounced(250, (text) => type(action, { ...values, text }));
  const sender = local.senders[name];
  return {
    onInput: (event) => sender(event.target.value),
    onChange: (event) => sender.now(event.target.value),
  };
}

function criteria(ui) {
  const { state, act } = ui;
  return html`<section aria-label="criteria">
    <h4>Criteria: what every response must meet, answered with yes or no</h4>
    ${state.criteria.map((criterion, place) => criterionOf(ui, criterion, place))}
    <${Row}><${Button} label="Add a criterion" onClick=${() => act("add")} /><//>
  </section>`;
}

function criterionOf(ui, criterion, place) {
  const { state, act, id } = ui;
  const name = `criterion ${place + 1}`;
  const enable = (event) => act("enable", { place, enabled: event.target.checked });
  const isBroken = criterion.broken_by.length > 0;
  return html`<div class="sdg-rule" key="${state.revision} ${place}">
    <input
      type="checkbox"
      id="${id}-use-${place}"
      aria-label="use ${name}"
      checked=${criterion.enabled}
      onChange=${enable}
    />
    <div>
      <${TextArea}
        id="${id}-criterion-${place}"
        aria-label=${name}
        placeholder="The response names every item of the list."
        rows="1"
        text=${criterion.text}
        revision=${state.revision}
        ...${senderOf(ui, name, "criterion", { place })}
      />
      ${criterion.flaws.map((flaw) => html`<${FlawLine} flaw=${{ ...flaw, line: 0 }} />`)}
      ${isBroken && broken(criterion)}
    </div>
    <${Button} label="Remove" aria-label="Remove ${name}" onClick=${() => act("remove", { place })} />
  </div>`;
}

function broken(criterion) {
  const seeds = criterion.broken_by.map((seed) => seed.id).join(", ");
  const advice = criterion.enabled ? "It is still used." : "It is switched off.";
  return html`<div>
    <p class="sdg-flaw"><${Sign} name="warning" />Broken by ${seeds}. ${advice} Correct the rule, or the seed.</p>
    ${criterion.broken_by.map((seed) =>
      seed.response
        ? html`<${Fold} title="the response of ${seed.id}"><${LongText} text=${seed.response} /><//>`
        : null,
    )}
  </div>`;
}

function variety(ui) {
  const { state, act, local, id } = ui;
  const name = (event) => {
    local.newList = event.target.value;
  };
  const add = () => act("new list", { name: local.newList || "" });
  return html`<section aria-label="variety">
    <h4>Variety: every new context draws one entry of each list</h4>
    ${state.variety.map(
      (list) => html`<${Field} key=${list.name} id="${id}-list-${list.name}" label="${list.name} (${list.number})" flaws=${list.flaws}>
      <${TextArea}
        id="${id}-list-${list.name}"
        rows=${3}
        placeholder="one entry per line"
        text=${list.text}
        revision=${state.revision}
        ...${senderOf(ui, `list ${list.name}`, "list", { name: list.name })}
      />
      <${Link} onClick=${() => act("remove list", { name: list.name })}>Remove the list ${list.name}<//>
    <//>`,
    )}
    <${Row}>
      <${TextInput} class="sdg-path" aria-label="name of a new list" placeholder="tone, place, …" revision=${state.revision} onInput=${name} />
      <${Button} label="Add a list" onClick=${add} />
    <//>
  </section>`;
}

function checks(ui) {
  const { state, id } = ui;
  return html`<section aria-label="checks">
    <h4>Checks: what every response must pass, free of charge</h4>
    <${Field} id="${id}-checks" label="one per line, as after --check" flaws=${state.checks.flaws}>
      <${TextArea}
        id="${id}-checks"
        rows=${4}
        placeholder="no_refusal"
        text=${state.checks.text}
        revision=${state.revision}
        ...${senderOf(ui, "checks", "checks", {})}
      />
    <//>
  </section>`;
}

function steering({ state, act, id }) {
  return html`<${Field} id="${id}-steering" label="Do different questions about one context call for different responses?">
    <${Choice}
      id="${id}-steering"
      value=${state.steering}
      options=${STEERING}
      onChoice=${(answer) => act("steering", { answer })}
    />
  <//>`;
}

function onKey({ act }, key, isTyping, target) {
  if (key !== "Ctrl+s") return false;
  if (isTyping) target.dispatchEvent(new Event("change")); // what was typed goes first
  act("save");
  return true;
}

panels.profile = { view, onKey };
