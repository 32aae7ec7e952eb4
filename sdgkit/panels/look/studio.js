// The studio: a tab for each panel, the next step, and the same as a few lines of Python.

function view(ui) {
  const { state, act, id } = ui;
  const open = (tab) => act("open", { tab });
  const { sentence, tab: place } = state.next;
  const label = state.tabs.find((tab) => tab.value === place)?.label;
  return html`
    ${tabList(ui, open)}
    <div role="tabpanel" id="${id}-body" aria-labelledby="${id}-tab-${state.tab}" key=${state.tab}>
      <div class="sdg-next">
        <p><strong>Next:</strong> ${sentence}</p>
        ${label && html`<${Button} label="Go to ${label}" class="sdg-go" onClick=${() => open(place)} />`}
      </div>
      ${state.tab === "run" && contextsField(ui)}
      ${state.obstacle && html`<${ErrorLine}>${state.obstacle}<//>`}
      ${state.busy && !state.panel && html`<${Soft}>${state.busy}<//>`}
      ${state.panel && html`<div class="sdg-part" key=${state.tab}>${frame(partOf(ui), panels[state.kind].view)}</div>`}
      <${Fold} title="As code: the same without the studio" class="sdg-code">
        <${Text}>${state.code}<//>
      <//>
    </div>
  `;
}

// Tabs as WAI-ARIA has them; which is open is known to the kernel, which makes its panel.
function tabList({ state, id }, open) {
  const names = state.tabs.map((tab) => tab.value);
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = names[(names.indexOf(state.tab) + step + names.length) % names.length];
    open(next);
    focusOn(`${id}-tab-${next}`);
  };
  const button = ({ value, label }) => html`<button
    key=${value}
    id="${id}-tab-${value}"
    type="button"
    role="tab"
    aria-selected=${String(value === state.tab)}
    aria-controls="${id}-body"
    tabindex=${value === state.tab ? 0 : -1}
    onClick=${() => open(value)}
  >${label}</button>`;
  return html`<div role="tablist" class="sdg-studio-tabs" aria-label="steps" onKeyDown=${move}>${state.tabs.map(button)}</div>`;
}

function contextsField({ state, type, id }) {
  return html`<${Row}>
    <label for="${id}-contexts">contexts for each seed</label>
    <${TextInput}
      id="${id}-contexts"
      class="sdg-number"
      inputmode="numeric"
      text=${state.contexts}
      placeholder="10"
      onChange=${(event) => type("contexts", { number: event.target.value })}
    />
    <span class="sdg-soft">A few for a first run; 10 are usual.</span>
  <//>`;
}

// The panel of the open tab works as if it stood alone: what it sends goes through the studio.
function partOf(ui) {
  const { state, local } = ui;
  const { tab } = state;
  local.parts = local.parts || {};
  local.parts[tab] = local.parts[tab] || {};
  const id = `${ui.id}-${tab}`;
  const sent = (action, values = {}) => ({ tab, action, values });
  return {
    id,
    state: state.panel,
    local: local.parts[tab],
    act: (action, values) => ui.act("in", sent(action, values)),
    type: (action, values) => ui.type("in", sent(action, values)),
    focus: (name) => focusOn(`${id}-${name}`),
    draw: ui.draw,
  };
}

function onKey(ui, key, isTyping, target) {
  if (!ui.state.panel) return false;
  const keyOf = panels[ui.state.kind].onKey;
  return keyOf ? keyOf(partOf(ui), key, isTyping, target) : false;
}

panels.studio = { view, onKey };
