// The teacher: kind, address, key and model; one message to it, and what the server can do.

function view(ui) {
  const { state, act, type, local, id } = ui;
  const isBusy = Boolean(state.busy);
  const test = () => act("test", { message: local.message || "" });
  const keep = (event) => {
    local.message = event.target.value;
  };
  openKeyField(ui);
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
      <${Button} label="Find on this machine" disabled=${isBusy} onClick=${() => act("find")} />
      <${Button} label="Save as default" disabled=${!state.can_save} onClick=${() => act("save_default")} />
      ${isBusy && html`<${Button} label="Cancel" onClick=${() => act("cancel")} /><${Clock} key=${state.busy} />`}
    <//>
    ${state.found.length > 0 && foundServers(ui)}
    ${state.reply && replyOf(state)}
    ${state.abilities.length > 0 && abilitiesOf(state)}
    ${state.notes.map((note) => html`<${Soft}>${note}<//>`)}
  `;
}

// The key's field is opened once when the server asks for a key.
function openKeyField({ state, local, focus }) {
  if (state.wants_key && !local.wantedKey) setTimeout(() => focus("key"));
  local.wantedKey = state.wants_key;
}

function foundServers({ state, act }) {
  const choose = ({ kind, base_url, model }) => act("choose", { kind, base_url, model });
  return html`<section aria-label="servers on this machine">
    <h4>on this machine</h4>
    ${state.found.map(
      (server) => html`<p key=${server.base_url}>
      <${Button} label="Use it" aria-label="Use ${server.label}" onClick=${() => choose(server)} /> ${server.label}
    </p>`,
    )}
  </section>`;
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
  const isWanted = state.wants_model && !state.connection.model;
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
      aria-invalid=${isWanted ? "true" : null}
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
