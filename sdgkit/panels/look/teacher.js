// The teacher: kind, address, key and model; one message to it, and what the server can do.

function view(state, act, local, draw) {
  const id = `sdg-${state.id}`;
  const put = (name) => (value) => act("choose", { [name]: value });
  const typed = (name) => (e) => put(name)(e.target.value);
  const chosen = state.chosen;
  const models = chosen.model && !state.models.includes(chosen.model) ? [chosen.model, ...state.models] : state.models;
  const rehearsal = chosen.kind === "rehearsal" && !chosen.base_url;
  return [
    ...heading(state.title, state.sign, state.words),
    ...trouble(state),
    h("div", { class: "sdg-fields", key: "fields" },
      field(`${id}-kind`, "kind", choice(`${id}-kind`, chosen.kind, state.kinds, put("kind"))),
      field(`${id}-url`, "address", h("input", { id: `${id}-url`, value: chosen.base_url, placeholder: rehearsal ? "started here" : "http://localhost:8000/v1", autocomplete: "off", spellcheck: "false", onChange: typed("base_url") })),
      field(`${id}-model`, "model", models.length
        ? choice(`${id}-model`, chosen.model, [["", models.length > 1 ? "choose one" : models[0]], ...models.map((name) => [name, name])], put("model"))
        : h("input", { id: `${id}-model`, value: chosen.model, placeholder: "the only one of the server", autocomplete: "off", spellcheck: "false", onChange: typed("model") })),
      field(`${id}-key`, "key", h("input", { id: `${id}-key`, key: "key", type: "password", autocomplete: "off", value: "", placeholder: state.has_key ? "given; kept in memory only" : "from SDGKIT_API_KEY, or type it",
        onChange: (e) => { if (e.target.value) { act("choose", { api_key: e.target.value }); e.target.value = ""; } } }))),
    field(`${id}-message`, "message", h("textarea", { id: `${id}-message`, rows: 2, value: state.message, onInput: (e) => { local.message = e.target.value; } })),
    h("div", { class: "sdg-row", key: "buttons" },
      button("Test", () => act("test", { message: local.message || "" }), { main: true, disabled: Boolean(state.busy), key: "test" }),
      button("What can the server do?", () => act("abilities"), { disabled: Boolean(state.busy), key: "abilities" })),
    state.reply && h("div", { key: "reply" }, facts(state.reply.facts), h("h4", {}, "reply"), long(state.reply.text, 2000),
      state.reply.reasoning && fold("its reasoning", long(state.reply.reasoning, 3000))),
    state.able.length > 0 && h("dl", { class: "sdg-able", key: "able" }, state.able.map(([what, answer]) => h("div", { key: what }, h("dt", {}, what), h("dd", {}, answer)))),
    state.notes.map((note, place) => h("p", { key: `note ${place}`, class: "sdg-soft" }, note)),
  ];
}

export default panelOf("teacher", view);
