// The run: the method's picture with its numbers, the newest samples, and what was dropped at a stage.

function view(ui) {
  const { state, act, id } = ui;
  return [
    row("buttons",
      state.start && button(state.start, () => act("start"), { main: true, disabled: !state.can_start, key: "start" }),
      state.start && button("Cancel", () => act("cancel"), { disabled: !state.can_cancel, key: "cancel" }),
      h("progress", { key: "bar", max: 1, value: state.fraction, "aria-label": "share of the work that is done" })),
    state.asks && h("section", { key: "asks", "aria-label": "Is the judge right?" },
      h("div", { class: "sdg-row" },
        button("Go on", () => act("go_on"), { main: true }), button("Stop here", () => act("cancel"))),
      h("div", { drawing: state.asks })),
    state.wants_key && field(`${id}-key`, "fresh key", input({ id: `${id}-key`, key: "key", type: "password", placeholder: "kept in memory only; Enter to go on",
      onChange: (e) => { if (e.target.value) { act("renew", { key: e.target.value }); e.target.value = ""; } } })),
    facts(state.facts),
    h("div", { class: "sdg-two sdg-picture-first", key: "two" },
      h("div", { class: "sdg-picture", drawing: state.picture, onClick: (event) => choose(ui, picked(event, state)) }),
      ownTabs(ui, "tab", [
        ["newest", "Newest samples", () => newest(ui)],
        ["dropped", `Dropped${state.lost ? ` (${state.lost})` : ""}`, () => dropped(ui)],
        ["notes", `Notes${state.notes.length ? ` (${state.notes.length})` : ""}`, () => notes(state)],
      ])),
  ];
}

function choose({ act, local, draw }, name) {
  if (!name) return;
  local.tab = "dropped";
  act("stage", { name });
  draw();
}

// Which stage of the picture was clicked: its groups stand in the order of the stages.
function picked(event, state) {
  const above = [...event.currentTarget.querySelectorAll("svg > g")].filter((group) => group.getBoundingClientRect().top - 4 <= event.clientY);
  return state.stages[above.length - 1]?.name;
}

// While somebody reads (mouse or focus on the list), the list stands still.
function newest({ state, local, draw }) {
  const shown = local.held || state.newest;
  const hold = () => { local.held = local.held || state.newest; };
  const release = () => { local.held = null; draw(); };
  const waiting = state.newest.some((sample) => !shown.find((one) => one.id === sample.id));
  return list("newest samples", { onMouseenter: hold, onMouseleave: release, onFocusin: hold, onFocusout: release },
    soft(!shown.length ? state.empty : waiting ? "Held while you read; newer ones are waiting." : "The newest first."),
    shown.map((sample) => h("article", { key: sample.id, class: "sdg-item" },
      h("header", {}, h("code", {}, sample.id), h("span", { class: "sdg-soft" }, sample.words)),
      h("h4", {}, "question"), long(sample.question, 240),
      h("h4", {}, "response"), long(sample.response, 400))));
}

function dropped(ui) {
  const { state: { drops, stages }, act, id } = ui;
  const options = stages.map((stage) => [stage.name, `${stage.name} (${stage.lost})`]);
  return h("div", {},
    field(`${id}-stage`, "stage", choice(`${id}-stage`, drops ? drops.stage : "", drops ? options : [["", "choose one, or click it in the picture"], ...options], (name) => choose(ui, name))),
    drops && soft(drops.words, drops.more > 0 && button(`Show ${drops.more} more`, () => act("stage", { name: drops.stage }))),
    drops && list("what was dropped", {}, drops.shown.map((drop) => h("details", {
      key: drop.id, class: "sdg-item", onToggle: (e) => { if (e.target === e.currentTarget && e.target.open && !drop.story) act("trace", { id: drop.id }); },
    },
      h("summary", {}, h("code", {}, drop.id), " ", h("strong", {}, drop.reason), " ", h("span", { class: "sdg-soft" }, drop.message)),
      !drop.story ? soft("Reading…") : !drop.story.length ? soft("Nothing was asked for this row.") :
        drop.story.map((part) => h("div", { class: "sdg-story" }, part.folded ? fold(part.title, long(part.text)) : [h("h4", {}, part.title), long(part.text)]))))));
}

function notes(state) {
  return state.notes.length ? h("ul", { class: "sdg-notes" }, state.notes.map((note) => h("li", {}, note))) : soft("Nothing to note.");
}

export default panelOf("run", view);
