// The prompt: its parts in an editor that marks variables and flawed lines; beside it what is sent, replied and changed.

function view(ui) {
  const { state, act, local, id } = ui;
  if (local.rev !== state.rev) Object.assign(local, { rev: state.rev, texts: {}, send: {} });
  local.part = local.part || "generation";
  const attempt = (said) => { local.side = "replies"; act("try", said); ui.draw(); };
  const idle = state.can_try && !state.busy;
  return [
    row("buttons",
      button("Save", () => act("save"), { main: true, keys: "Ctrl+S", disabled: !state.can_save }),
      button("Undo", () => act("undo"), { disabled: !state.can_undo }),
      button("Restore the shipped one", () => act("restore")),
      input({ class: "sdg-path", "aria-label": "another file to save as", placeholder: "another file.yaml", onInput: (e) => { local.path = e.target.value; } }),
      button("Save as", () => act("save", { path: local.path || "another file" }))),
    h("p", { class: "sdg-again", key: "again" }, state.again),
    h("div", { class: "sdg-two sdg-halves", key: "two" },
      h("div", {},
        state.stages.length > 1 && field(`${id}-stage`, "prompt of the stage", choice(`${id}-stage`, state.stage, state.stages, (name) => act("stage", { name }))),
        ownTabs(ui, "part", state.parts.map((part) => {
          const flaws = state.flaws.filter((flaw) => flaw.part === part.name);
          return [part.name, flaws.length ? [part.name, " ", sign("error"), h("span", { class: "sdg-unseen" }, "to mend")] : part.name, () => editor(ui, part, flaws)];
        }))),
      h("div", {},
        field(`${id}-row`, "row to try it on", choice(`${id}-row`, state.row, state.rows, (number) => act("row", { number }))),
        row("try",
          button("Try", () => attempt(), { keys: "Ctrl+Enter", disabled: !idle }),
          button("Try on 5", () => attempt({ several: true }), { disabled: !idle }),
          state.busy && button("Cancel", () => act("cancel")),
          !state.can_try && h("span", { class: "sdg-soft" }, "Give teacher= to try it.")),
        ownTabs(ui, "side", [
          ["messages", "What is sent", () => messages(state)],
          ["replies", "Replies", () => replies(state)],
          ["diff", `Changes${state.diff.length ? "" : " (none)"}`, () => diff(state)],
        ]))),
  ];
}

// A textarea over the same text with its marks; the text below gives both their height.
function editor({ state, act, local, draw }, part, flaws) {
  const text = local.texts[part.name] ?? part.text;
  const send = (value) => act("text", { part: part.name, text: value });
  local.send[part.name] = local.send[part.name] || later(200, send);
  const lines = text.split("\n").map((line, place) => h("span", { class: flaws.some((flaw) => flaw.line === place + 1) ? "sdg-flawed-line" : null },
    line.split(/(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\})/).map((piece, odd) => piece && (odd % 2 ? h("b", {}, piece) : piece)), "\n"));
  return h("div", { key: part.name },
    h("div", { class: "sdg-editor" }, h("pre", { "aria-hidden": "true" }, lines),
      h("textarea", { key: `${part.name} text`, "aria-label": `${part.name} of the prompt ${state.stage}`, spellcheck: "false", value: part.text, rev: state.rev,
        "aria-invalid": flaws.length ? "true" : null,
        onInput: (e) => { local.texts[part.name] = e.target.value; local.send[part.name](e.target.value); draw(); },
        onChange: (e) => local.send[part.name].now(e.target.value) })),
    flaws.map((flaw, place) => flawed(flaw, { role: "alert", key: `flaw ${place}` })));
}

function messages(state) {
  if (!state.messages.length) return soft("It cannot be rendered yet: mend what is marked with ✕.");
  return list("what is sent", {}, state.messages.map((message) => h("div", {}, h("h4", {}, `${message.role} message`), pre(message.content))));
}

function replies(state) {
  if (!state.trials.length) return soft(state.can_try ? "Nothing was tried yet: Try sends it to the teacher." : "Nothing was tried yet.");
  return list("replies", {}, state.trials.map((trial) => h("article", { class: "sdg-item" }, trial === null ? soft("Waiting for the reply…") : [
    h("header", {}, h("code", {}, trial.id), h("span", {}, sign(trial.reason ? "bad" : "good"), told(trial)),
      trial.rows.filter((row) => typeof row.score === "number").map((row) => h("strong", {}, `score ${row.score}`))),
    trial.message && h("p", {}, trial.message),
    h("pre", { dir: "auto", class: "sdg-raw" }, trial.pieces.map(([text, column]) => column
      ? h("mark", { title: column }, h("small", {}, column), text) : h("span", {}, text)))])));
}

function told({ reason, rows, reply }) {
  const read = reason || `${rows.length} record${rows.length === 1 ? "" : "s"} read`;
  return reply ? `${read} · ${reply.seconds.toFixed(2)} s, ${reply.tokens.toLocaleString("en")} tokens` : read;
}

function diff(state) {
  if (!state.diff.length) return soft("It is as it was saved.");
  return h("pre", { class: "sdg-diff" }, state.diff.slice(2).map((line) => h("span", { class: line[0] === "+" ? "sdg-plus" : line[0] === "-" ? "sdg-minus" : "sdg-soft" }, `${line}\n`)));
}

function hotkeys(keys, typing, { state, act, local, draw }) {
  if (keys !== "Ctrl+s" && keys !== "Ctrl+Enter") return false;
  for (const [part, text] of Object.entries(local.texts)) act("text", { part, text });
  if (keys === "Ctrl+s") act("save");
  else if (state.can_try && !state.busy) { local.side = "replies"; act("try"); draw(); }
  return true;
}

export default panelOf("prompt", view, hotkeys);
