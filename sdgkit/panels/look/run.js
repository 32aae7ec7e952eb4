// The run: the method's picture with its numbers, the newest samples, and what was dropped at a stage.

function view(ui) {
  const { state, act, id } = ui;
  const lost = state.stages.reduce((sum, stage) => sum + stage.lost, 0);
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
        ["dropped", `Dropped${lost ? ` (${lost})` : ""}`, () => dropped(ui)],
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
    soft(!shown.length ? (state.samples ? "None of them is at hand." : "Samples appear here as they come.") : waiting ? "Held while you read; newer ones are waiting." : "The newest first."),
    shown.map((sample) => h("article", { key: sample.id, class: "sdg-item" },
      h("header", {}, h("code", {}, sample.id), h("span", { class: "sdg-soft" }, typeof sample.score === "number" && `judged ${sample.score}`)),
      h("h4", {}, "question"), long(sample.question, 240),
      h("h4", {}, "response"), long(sample.response, 400))));
}

function dropped(ui) {
  const { state: { drops, stages }, act, id } = ui;
  const options = stages.map((stage) => [stage.name, `${stage.name} (${stage.lost})`]);
  const more = drops ? (stages.find((stage) => stage.name === drops.stage)?.lost || 0) - drops.shown.length : 0;
  return h("div", {},
    field(`${id}-stage`, "stage", choice(`${id}-stage`, drops ? drops.stage : "", drops ? options : [["", "choose one, or click it in the picture"], ...options], (name) => choose(ui, name))),
    drops && soft(drops.shown.length ? `${drops.shown.length} of ${drops.shown.length + Math.max(0, more)} shown.` : "Nothing was dropped here.",
      more > 0 && button(`Show ${Math.min(more, 30)} more`, () => act("stage", { name: drops.stage, most: drops.shown.length + 30 }))),
    drops && list("what was dropped", {}, drops.shown.map((drop) => h("details", {
      key: drop.id, class: "sdg-item", onToggle: (e) => { if (e.target === e.currentTarget && e.target.open && !drops.stories[drop.id]) act("trace", { id: drop.id }); },
    },
      h("summary", {}, h("code", {}, drop.id), " ", h("strong", {}, drop.reason), " ", h("span", { class: "sdg-soft" }, drop.message)),
      story(drops.stories[drop.id])))));
}

// What was sent and what came back, the last exchange first; earlier ones are folded.
function story(exchanges) {
  if (!exchanges) return soft("Reading…");
  if (!exchanges.length) return soft("Nothing was asked for this row.");
  return exchanges.map((exchange, place) => {
    const name = exchange.stage + (exchange.attempt > 1 ? `, attempt ${exchange.attempt}` : "");
    const texts = [[`${name}: the raw reply`, exchange.text],
      ...(exchange.reasoning ? [[`${name}: the teacher's reasoning`, exchange.reasoning]] : []),
      ...exchange.messages.map((message) => [`${name}: ${message.role} message, as it was sent`, message.content])];
    return texts.map(([title, text]) => h("div", { class: "sdg-story" }, place ? fold(title, long(text)) : [h("h4", {}, title), long(text)]));
  });
}

function notes(state) {
  return state.notes.length ? h("ul", { class: "sdg-notes" }, state.notes.map((note) => h("li", {}, note))) : soft("Nothing to note.");
}

export default panelOf("run", view);
