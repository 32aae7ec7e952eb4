// The prompt: its parts in an editor that marks variables and flawed lines; beside it what is sent, replied and changed.

function view(state, act, local, draw) {
  const id = `sdg-${state.id}`;
  if (local.rev !== state.rev) Object.assign(local, { rev: state.rev, texts: {}, send: {} });
  local.part = state.parts.some((part) => part.name === local.part) ? local.part : "generation";
  local.side = local.side || "messages";
  return [
    ...heading(state.title, state.sign, state.words, state.folder),
    ...trouble(state),
    h("div", { class: "sdg-row", key: "buttons" },
      button("Save", () => act("save"), { main: true, key: "save", keys: "Ctrl+S", disabled: !state.can_save }),
      button("Undo", () => act("undo"), { key: "undo", disabled: !state.can_undo }),
      button("Restore the shipped one", () => act("restore"), { key: "restore" }),
      h("input", { key: "path", class: "sdg-path", "aria-label": "another file to save as", placeholder: "another file.yaml", spellcheck: "false", onInput: (e) => { local.path = e.target.value; } }),
      button("Save as", () => act("save_as", { path: local.path || "" }), { key: "as" })),
    h("p", { class: "sdg-told", role: "status", key: "told" }, [state.told, state.again].filter(Boolean).join(" ")),
    h("div", { class: "sdg-two sdg-halves", key: "two" },
      h("div", { key: "left" },
        state.stages.length > 1 && field(`${id}-stage`, "prompt of the stage", choice(`${id}-stage`, state.stage, state.stages, (name) => act("stage", { name }))),
        tabs(`${id}-part`, state.parts.map((part) => [part.name, label(state, part.name)]), local.part, (name) => { local.part = name; draw(); },
          editor(state, act, local, draw, id))),
      h("div", { key: "right" },
        field(`${id}-row`, "row to try it on", choice(`${id}-row`, state.row, state.rows, (number) => act("row", { number }))),
        h("div", { class: "sdg-row", key: "try" },
          button("Try", () => { local.side = "replies"; act("try"); draw(); }, { keys: "Ctrl+Enter", disabled: !state.can_try || Boolean(state.busy) }),
          button("Try on 5", () => { local.side = "replies"; act("try", { several: true }); draw(); }, { disabled: !state.can_try || Boolean(state.busy) }),
          state.busy && button("Cancel", () => act("cancel")),
          !state.can_try && h("span", { class: "sdg-soft" }, "Give teacher= to try it.")),
        tabs(`${id}-side`, [["messages", "What is sent"], ["replies", "Replies"], ["diff", `Changes${state.diff.length ? "" : " (none)"}`]], local.side, (name) => { local.side = name; draw(); },
          local.side === "messages" ? messages(state) : local.side === "replies" ? replies(state) : diff(state)))),
  ];
}

function label(state, name) {
  const flaws = state.flaws.filter((flaw) => flaw.part === name).length;
  return flaws ? [name, h("span", { class: "sdg-is-warn" }, " ✕")] : name;
}

// A textarea over the same text with its marks; the text below gives both their height.
function editor(state, act, local, draw, id) {
  const part = state.parts.find((one) => one.name === local.part);
  const text = local.texts[part.name] ?? part.text;
  const flaws = state.flaws.filter((flaw) => flaw.part === part.name);
  const send = (value) => act("text", { part: part.name, text: value });
  local.send[part.name] = local.send[part.name] || later(200, send);
  const lines = text.split("\n").map((line, place) => h("span", { class: flaws.some((flaw) => flaw.line === place + 1) ? "sdg-flawed-line" : null },
    line.split(/(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\})/).map((piece, odd) => piece && (odd % 2 ? h("b", {}, piece) : piece)), "\n"));
  return h("div", { key: part.name },
    h("div", { class: "sdg-editor" }, h("pre", { "aria-hidden": "true" }, lines),
      h("textarea", { key: `${part.name} text`, "aria-label": `${part.name} of the prompt ${state.stage}`, spellcheck: "false", value: part.text, rev: state.rev,
        "aria-invalid": flaws.length ? "true" : null,
        onInput: (e) => { local.texts[part.name] = e.target.value; local.send[part.name](e.target.value); draw(); },
        onChange: (e) => send(e.target.value) })),
    flaws.map((flaw, place) => h("p", { class: "sdg-flaw", role: "alert", key: `flaw ${place}` }, h("span", { "aria-hidden": "true" }, "✕ "), flaw.line ? `Line ${flaw.line}: ` : "", flaw.words)));
}

function messages(state) {
  if (!state.messages.length) return h("p", { class: "sdg-soft" }, "It cannot be rendered yet: mend what is marked with ✕.");
  return h("div", { class: "sdg-list", tabindex: 0, "aria-label": "what is sent" }, state.messages.map((message, place) => h("div", { key: place }, h("h4", {}, `${message.role} message`), pre(message.content))));
}

function replies(state) {
  if (!state.trials.length) return h("p", { class: "sdg-soft" }, "Nothing was tried yet.");
  return h("div", { class: "sdg-list", tabindex: 0, "aria-label": "replies" }, state.trials.map((trial, place) => trial === null
    ? h("article", { class: "sdg-item", key: place }, h("p", { class: "sdg-soft" }, "Waiting for the reply…"))
    : h("article", { class: "sdg-item", key: place },
      h("header", {}, h("code", {}, trial.id), h("span", { class: trial.good ? "sdg-is-good" : "sdg-is-bad", "aria-hidden": "true" }, trial.good ? "✓" : "✕"), h("span", {}, trial.words), trial.score && h("strong", {}, trial.score)),
      trial.message && h("p", {}, trial.message),
      h("pre", { dir: "auto", class: "sdg-raw" }, trial.pieces.map(([text, column]) => column
        ? h("mark", { title: column }, h("small", {}, column), text) : h("span", {}, text))))));
}

function diff(state) {
  if (!state.diff.length) return h("p", { class: "sdg-soft" }, "It is as it was saved.");
  return h("pre", { class: "sdg-diff" }, state.diff.slice(2).map((line) => h("span", { class: line[0] === "+" ? "sdg-plus" : line[0] === "-" ? "sdg-minus" : "sdg-soft" }, `${line}\n`)));
}

function hotkeys(event, typing, state, act, local) {
  const command = event.ctrlKey || event.metaKey;
  if (!command || (event.key !== "s" && event.key !== "Enter")) return false;
  for (const [part, text] of Object.entries(local.texts)) act("text", { part, text });
  if (event.key === "s") act("save");
  else if (state.can_try && !state.busy) { local.side = "replies"; act("try"); }
  return true;
}

export default panelOf("prompt", view, hotkeys);
