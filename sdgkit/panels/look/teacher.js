// The teacher: kind, address, key and model; one message to it, and what the server can do.

function view(ui) {
  const { state, act, type, local, id } = ui;
  const isBusy = Boolean(state.busy);
  const test = () => act("test", { message: local.message || "" });
  const keep = (event) => {
    local.message = event.target.value;
  };
  const keyHint = state.has_key ? "set; kept in memory only" : "from SDGKIT_API_KEY, or type it";
  return html`
    <div class="sdg-fields">
      <${Field} id="${id}-kind" label="kind">
        <${Choice}
          id="${id}-kind"
          value=${state.connection.kind}
          options=${state.kinds}
          onChoice=${(kind) => act("choose", { kind })}
        />
      <//>
      ${addressField(ui)}
      ${modelField(ui)}
      <${Field} id="${id}-key" label="key">
        <${KeyInput} id="${id}-key" placeholder=${keyHint} onKey=${(key) => act("choose", { api_key: key })} />
      <//>
    </div>
    <${Field} id="${id}-message" label="message">
      <${TextArea}
        id="${id}-message"
        rows="2"
        text=${state.message}
        onInput=${keep}
        onChange=${(event) => type("message", { text: event.target.value })}
      />
    <//>
    <${Row}>
      <${Button} label="Test" main disabled=${isBusy} onClick=${test} />
      <${Button} label="What can the server do?" disabled=${isBusy} onClick=${() => act("abilities")} />
    <//>
    ${state.reply && replyOf(state)}
    ${state.abilities.length > 0 && abilitiesOf(state)}
    ${state.notes.map((note) => html`<${Soft}>${note}<//>`)}
  `;
}

function addressField({ state, type, id }) {
  const placeholder =
    state.connection.kind === "rehearsal" ? "started here" : "http://localhost:8000/v1";
  return html`<${Field} id="${id}-address" label="address">
    <${TextInput}
      id="${id}-address"
      text=${state.connection.base_url}
      placeholder=${placeholder}
      onChange=${(event) => type("choose", { base_url: event.target.value })}
    />
  <//>`;
}

// A list to choose from, once the server has said which models it has.
function modelField({ state, act, type, id }) {
  const { model } = state.connection;
  if (!state.models.length) {
    return html`<${Field} id="${id}-model" label="model">
      <${TextInput}
        id="${id}-model"
        text=${model}
        placeholder="the server's only model"
        onChange=${(event) => type("choose", { model: event.target.value })}
      />
    <//>`;
  }
  const isListed = !model || state.models.includes(model);
  const names = isListed ? state.models : [model, ...state.models];
  const unset = { value: "", label: names.length > 1 ? "choose one" : names[0] };
  return html`<${Field} id="${id}-models" label="model">
    <${Choice}
      id="${id}-models"
      value=${model}
      options=${[unset, ...names]}
      onChoice=${(name) => act("choose", { model: name })}
    />
  <//>`;
}

function replyOf({ facts, reply }) {
  return html`<section aria-label="reply">
    <${Facts} facts=${facts} />
    <h4>reply</h4>
    <${LongText} text=${reply.text} />
    ${reply.reasoning && html`<${Fold} title="its reasoning"><${LongText} text=${reply.reasoning} /><//>`}
  </section>`;
}

function abilitiesOf(state) {
  const row = ([ability, answer]) =>
    html`<div key=${ability}><dt>${ability}</dt><dd>${answer}</dd></div>`;
  return html`<dl class="sdg-abilities">${state.abilities.map(row)}</dl>`;
}

// Settings are on disk nowhere; a key is kept nowhere.
function unsaved({ connection, message }) {
  const restore = [
    ["choose", connection],
    ["message", { text: message }],
  ];
  return { content: [connection, message], restore };
}

panels.teacher = { view, unsaved };
