// The teacher: kind, address, key and model; one message to it, and what the server can do.

function view(ui) {
  const { state, act, local, id } = ui;
  const chosen = state.chosen;
  const put = (name) => (value) => act("choose", { [name]: value });
  const typed = (name, label, placeholder) => field(`${id}-${name}`, label,
    input({ id: `${id}-${name}`, value: chosen[name], placeholder, onChange: (e) => put(name)(e.target.value) }));
  const models = chosen.model && !state.models.includes(chosen.model) ? [chosen.model, ...state.models] : state.models;
  const busy = Boolean(state.busy);
  return [
    h("div", { class: "sdg-fields", key: "fields" },
      field(`${id}-kind`, "kind", choice(`${id}-kind`, chosen.kind, state.kinds, put("kind"))),
      typed("base_url", "address", chosen.kind === "rehearsal" ? "started here" : "http://localhost:8000/v1"),
      models.length
        ? field(`${id}-models`, "model", choice(`${id}-models`, chosen.model, [["", models.length > 1 ? "choose one" : models[0]], ...models.map((name) => [name, name])], put("model")))
        : typed("model", "model", "the only one of the server"),
      field(`${id}-key`, "key", input({ id: `${id}-key`, key: "key", type: "password", value: "", placeholder: state.has_key ? "given; kept in memory only" : "from SDGKIT_API_KEY, or type it",
        onChange: (e) => { if (e.target.value) { put("api_key")(e.target.value); e.target.value = ""; } } }))),
    field(`${id}-message`, "message", h("textarea", { id: `${id}-message`, rows: 2, value: state.message, onInput: (e) => { local.message = e.target.value; } })),
    row("buttons",
      button("Test", () => act("test", { message: local.message || "" }), { main: true, disabled: busy }),
      button("What can the server do?", () => act("abilities"), { disabled: busy })),
    state.reply && h("div", { key: "reply" }, facts(state.facts), h("h4", {}, "reply"), long(state.reply.text),
      state.reply.reasoning && fold("its reasoning", long(state.reply.reasoning))),
    state.able.length > 0 && h("dl", { class: "sdg-able", key: "able" }, state.able.map(([what, answer]) => h("div", { key: what }, h("dt", {}, what), h("dd", {}, answer)))),
    state.notes.map((note) => soft(note)),
  ];
}

export default panelOf("teacher", view);
