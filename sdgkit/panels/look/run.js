// The run: the method's picture with its numbers, the newest samples, and what was dropped at a stage.

function view(state, act, local, draw) {
  const id = `sdg-${state.id}`;
  local.tab = local.tab || "newest";
  const choose = (stage) => {
    local.tab = "dropped";
    act("stage", { name: stage });
    draw();
  };
  return [
    ...heading(state.title, state.sign, state.words, state.folder),
    ...trouble(state),
    h("div", { class: "sdg-row", key: "buttons" },
      state.start && button(state.start, () => act("start"), { main: true, disabled: !state.can_start, key: "start" }),
      state.start && button("Cancel", () => act("cancel"), { disabled: !state.can_cancel, key: "cancel" }),
      h("progress", { key: "bar", max: 1, value: state.fraction, "aria-label": "share of the work that is done" })),
    state.asks && h("section", { key: "asks", "aria-label": "Is the judge right?" },
      h("div", { class: "sdg-row" },
        button("Go on", () => act("go_on"), { main: true }), button("Stop here", () => act("cancel"))),
      h("div", { drawing: state.asks })),
    facts(state.facts),
    h("div", { class: "sdg-two sdg-picture-first", key: "two" },
      h("div", { class: "sdg-picture", key: "picture", drawing: state.picture, onClick: (e) => picked(e, state, choose) }),
      tabs(`${id}-tab`, [["newest", "Newest samples"], ["dropped", `Dropped${state.lost ? ` (${state.lost})` : ""}`], ["notes", "Notes"]],
        local.tab, (name) => { local.tab = name; draw(); },
        local.tab === "newest" ? newest(state, local, draw) : local.tab === "dropped" ? dropped(state, act, id, choose) : notes(state))),
  ];
}

// Which stage of the picture was clicked: its groups stand in the order of the stages.
function picked(event, state, choose) {
  const groups = [...event.currentTarget.querySelectorAll("svg > g")];
  const y = event.clientY;
  let found = -1;
  groups.forEach((group, place) => { if (group.getBoundingClientRect().top - 4 <= y) found = place; });
  if (found >= 0 && state.stages[found]) choose(state.stages[found].name);
}

// While somebody reads (mouse or focus on the list), the list stands still.
function newest(state, local, draw) {
  const shown = local.held || state.newest;
  const hold = () => { local.held = local.held || state.newest; };
  const release = () => { local.held = null; draw(); };
  const ids = new Set(shown.map((sample) => sample.id));
  const more = state.newest.filter((sample) => !ids.has(sample.id)).length;
  return h("div", { class: "sdg-list", tabindex: 0, "aria-label": "newest samples", onMouseenter: hold, onMouseleave: release, onFocusin: hold, onFocusout: release },
    h("p", { class: "sdg-soft" }, !shown.length ? state.empty :
      local.held && more ? "Held while you read; newer ones are waiting." : "The newest first."),
    shown.map((sample) => h("article", { key: sample.id, class: "sdg-item" },
      h("header", {}, h("code", {}, sample.id), sample.words && h("span", { class: "sdg-soft" }, sample.words)),
      h("h4", {}, "question"), long(sample.question, 240),
      h("h4", {}, "response"), long(sample.response, 400))));
}

function dropped(state, act, id, choose) {
  const drops = state.drops;
  const options = state.stages.map((stage) => [stage.name, `${stage.name} (${stage.lost})`]);
  return h("div", {},
    field(`${id}-stage`, "Stage", choice(`${id}-stage`, drops ? drops.stage : "", drops ? options : [["", "choose one, or click it in the picture"], ...options], choose)),
    drops && h("p", { class: "sdg-soft" }, drops.words, drops.more > 0 && button(`Show ${drops.more} more`, () => act("stage", { name: drops.stage }))),
    drops && h("div", { class: "sdg-list" }, drops.shown.map((drop) => h("details", {
      key: drop.id, class: "sdg-item", onToggle: (e) => { if (e.target === e.currentTarget && e.target.open && !drop.story) act("trace", { id: drop.id }); },
    },
      h("summary", {}, h("code", {}, drop.id), " ", h("strong", {}, drop.reason), " ", h("span", { class: "sdg-soft" }, drop.message)),
      !drop.story ? h("p", { class: "sdg-soft" }, "Reading…") : !drop.story.length ? h("p", { class: "sdg-soft" }, "Nothing was asked for this row.") :
        drop.story.map((part, place) => h("div", { key: place, class: "sdg-story" },
          part.folded ? fold(part.title, long(part.text, 3000)) : [h("h4", {}, part.title), long(part.text, 3000)]))))));
}

function notes(state) {
  return state.notes.length ? h("ul", { class: "sdg-notes" }, state.notes.map((note, place) => h("li", { key: place }, note)))
    : h("p", { class: "sdg-soft" }, "Nothing to note.");
}

export default panelOf("run", view);
