// Shared by all panels: templates, the keyboard, the link to the kernel, and the parts that panels are made of.
// Text reaches the page as text nodes only. Preact draws: what has not changed is not touched, so a field keeps its
// focus, its cursor and what you type.

const { h, options, render } = preact;
const html = htm.bind(h);

// Every text and every element passes here on its way to the page.
options.vnode = (vnode) => {
  if (vnode.type === null) {
    vnode.props = visible(String(vnode.props));
  } else if (typeof vnode.type === "string") {
    // Notebook 7 reads keys before the panel does, and looks for this attribute on each element on its way up.
    vnode.props["data-lm-suppress-shortcuts"] = "true";
  }
};

// Control, half-pair and hidden characters are made visible, as by sdgkit.formatting.visible: a reply must not turn the
// text around it, nor hide anything in it.
const HIDDEN =
  /[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff9-\ufffb\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu;
const LONELY_JOINER = /(?<=[\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?=[\x00-\x7f]|$)/g;

function named(character) {
  return `[U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`;
}

function visible(text) {
  return text
    .replace(/\r\n/g, "\n")
    .replace(/[\x00-\x08\x0b-\x1f]/g, (control) =>
      String.fromCharCode(0x2400 + control.charCodeAt(0)),
    )
    .replace(/\x7f/g, "\u2421")
    .replace(
      /[\x80-\x9f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
      "\ufffd",
    )
    .replace(LONELY_JOINER, named)
    .replace(HIDDEN, named);
}

function formatNumber(number) {
  return number.toLocaleString("en");
}

const LONGEST_UNSENT_MS = 1000; // of what is typed without a pause
const unsentWork = new Set(); // what debounced functions have still to do

// Runs the work a moment after the last call, and once a second meanwhile; `now` runs it at once instead.
function debounced(wait, work) {
  let timer;
  let lastRun = 0;
  let values = [];
  let lastValues = "";
  const run = () => {
    clearTimeout(timer);
    unsentWork.delete(run);
    lastRun = Date.now();
    lastValues = JSON.stringify(values);
    work(...values);
  };
  const soon = (...newValues) => {
    clearTimeout(timer);
    values = newValues;
    if (!unsentWork.has(run)) lastRun = Date.now();
    unsentWork.add(run);
    const longest = LONGEST_UNSENT_MS - (Date.now() - lastRun);
    timer = setTimeout(run, Math.max(0, Math.min(wait, longest)));
  };
  soon.now = (...newValues) => {
    if (!unsentWork.has(run) && JSON.stringify(newValues) === lastValues) return; // it was sent
    values = newValues;
    run();
  };
  return soon;
}

// Text fields ---------------------------------------------------------------------------------------------------------

const shownTexts = new WeakMap(); // by field: the text and revision that the kernel sent last

// A `ref` that shows the kernel's text in a field. What you are typing wins, unless another revision says that the text
// was replaced (undo, another seed).
function textOf(text, revision) {
  return (field) => {
    if (!field) return;
    const shown = shownTexts.get(field) || {};
    if (shown.text === text && shown.revision === revision) return;
    const hasFocus = field.getRootNode().activeElement === field;
    const isTyping = hasFocus && shown.revision === revision;
    if (!isTyping && field.value !== text) field.value = text;
    shownTexts.set(field, { text, revision });
  };
}

function TextInput({ text = "", revision, ...props }) {
  return html`<input dir="auto" autocomplete="off" spellcheck="false" ref=${textOf(text, revision)} ...${props} />`;
}

// rows: how high it is at least; it grows with its text.
function TextArea({ text = "", revision, rows = 2, ...props }) {
  return html`<textarea
    dir="auto"
    rows=${rows}
    style="--rows:${rows}"
    ref=${textOf(text, revision)}
    ...${props}
  ></textarea>`;
}

// A key is sent once and shown nowhere.
function KeyInput({ id, placeholder, onKey }) {
  const send = (event) => {
    if (!event.target.value) return;
    onKey(event.target.value);
    event.target.value = "";
  };
  return html`<input id=${id} type="password" autocomplete="off" placeholder=${placeholder} onChange=${send} />`;
}

// How long something has been going on, in a field that changes every second.
class Clock extends preact.Component {
  componentDidMount() {
    this.began = Date.now();
    this.timer = setInterval(() => this.setState({}), 1000);
  }

  componentWillUnmount() {
    clearInterval(this.timer);
  }

  render() {
    const seconds = Math.floor((Date.now() - (this.began ?? Date.now())) / 1000);
    return html`<span class="sdg-soft" role="timer">${formatNumber(seconds)} s</span>`;
  }
}

// Parts ---------------------------------------------------------------------------------------------------------------

const SIGNS = {
  new: "○",
  running: "▶",
  paused: "‖",
  done: "✓",
  cancelled: "■",
  failed: "✕",
  interrupted: "✕",
  none: "○",
  good: "✓",
  bad: "✕",
  busy: "▶",
  warn: "!",
  undecided: "○",
  accepted: "✓",
  edited: "✎",
  rejected: "✕",
  outdated: "!",
  error: "✕",
  warning: "!",
  hint: "·",
};

function Sign({ name }) {
  return html`<span class="sdg-sign sdg-is-${name}" aria-hidden="true">${SIGNS[name] || "○"}</span>`;
}

function Button({ label, keys, main, class: name, ...props }) {
  const classes = [main && "sdg-main", name].filter(Boolean).join(" ");
  return html`<button type="button" class=${classes || null} aria-keyshortcuts=${keys} ...${props}>
    ${label}${keys && html`<kbd aria-hidden="true" data-chord=${keys.includes("+") ? "" : null}>${keys}</kbd>`}
  </button>`;
}

function Link({ children, onClick }) {
  return html`<button type="button" class="sdg-link" onClick=${onClick}>${children}</button>`;
}

function Row({ children, class: name = "" }) {
  return html`<div class="sdg-row ${name}">${children}</div>`;
}

function Soft({ children }) {
  return html`<p class="sdg-soft">${children}</p>`;
}

function Facts({ facts }) {
  const fact = ([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`;
  return html`<dl class="sdg-facts">${facts.map(fact)}</dl>`;
}

function Text({ children, ...props }) {
  return html`<pre dir="auto" ...${props}>${children}</pre>`;
}

// A text as it is; where it is long, the rest unfolds.
function LongText({ text: value, most = 1500 }) {
  const text = String(value ?? "");
  if (text.length <= most * 1.2) return html`<${Text}>${text}<//>`;
  const gap = Math.max(text.lastIndexOf("\n", most), text.lastIndexOf(" ", most));
  const cut = gap > most / 2 ? gap : most;
  const rest = text.slice(cut).replace(/^\n/, "");
  return html`<div>
    <${Text}>${text.slice(0, cut)}<//>
    <${Fold} title="${formatNumber(rest.length)} more characters"><${Text}>${rest}<//><//>
  </div>`;
}

// A text in stretches [text, is new]: what is new is marked, and said to a screen reader.
function Marked({ stretches }) {
  const stretch = ([text, isNew]) => (isNew ? html`<ins class="sdg-plus">${text}</ins>` : text);
  return html`<pre dir="auto">${stretches.map(stretch)}</pre>`;
}

// A text whose tables in Markdown are drawn as tables; all of it as text nodes.
function Prose({ text: value }) {
  const text = String(value ?? "");
  const blocks = blocksOf(text);
  if (!blocks.some((block) => block.rows)) return html`<${LongText} text=${text} />`;
  return html`<div>
    ${blocks.map((block) =>
      block.rows
        ? html`<${Table} class="sdg-written" name="table" head=${block.head} rows=${block.rows} />`
        : html`<${LongText} text=${block.text} />`,
    )}
    <${Fold} title="as it is written"><${LongText} text=${text} /><//>
  </div>`;
}

const RULE_OF_TABLE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

// A text in pieces: tables (a heading, a rule of as many dashes, rows), and what stands between them.
function blocksOf(text) {
  const lines = text.split(/\r?\n/);
  const blocks = [];
  let between = [];
  const endText = () => {
    const joined = between.join("\n").replace(/^\n+|\n+$/g, "");
    if (joined) blocks.push({ text: joined });
    between = [];
  };
  for (let place = 0; place < lines.length; place += 1) {
    const head = cellsOf(lines[place]);
    const rule = lines[place + 1] ?? "";
    const isTable =
      lines[place].includes("|") &&
      rule.includes("-") &&
      RULE_OF_TABLE.test(rule) &&
      cellsOf(rule).length === head.length;
    if (!isTable) {
      between.push(lines[place]);
      continue;
    }
    endText();
    const rows = [];
    place += 1;
    while ((lines[place + 1] ?? "").includes("|")) {
      place += 1;
      rows.push(cellsOf(lines[place]));
    }
    blocks.push({ head, rows });
  }
  endText();
  return blocks;
}

function cellsOf(line) {
  const inner = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function Fold({ title, children, ...props }) {
  return html`<details ...${props}><summary>${title}</summary>${children}</details>`;
}

// SVG or HTML that sdgkit made itself, with every text escaped where it was made.
function Drawing({ svg, ...props }) {
  return html`<div dangerouslySetInnerHTML=${{ __html: svg || "" }} ...${props}></div>`;
}

// A list that scrolls in itself, and can be reached with Tab for that.
function List({ name, children, ...props }) {
  return html`<div class="sdg-list" role="region" tabindex="0" aria-label=${name} ...${props}>${children}</div>`;
}

// The first cell of each row is its heading. A column that can be sorted: { title, sorted, onSort }.
function Table({ name, head, rows, class: tableClass }) {
  const cell = (content, place) =>
    place === 0
      ? html`<th key=${place} scope="row">${content}</th>`
      : html`<td key=${place}>${content}</td>`;
  return html`<div class="sdg-scroll" role="region" tabindex="0" aria-label=${name}>
    <table class=${tableClass}>
      <thead>
        <tr>${head.map(columnHead)}</tr>
      </thead>
      <tbody>${rows.map((cells, place) => html`<tr key=${place}>${cells.map(cell)}</tr>`)}</tbody>
    </table>
  </div>`;
}

function columnHead(column, place) {
  if (!column?.onSort) return html`<th key=${place} scope="col">${column}</th>`;
  const arrow = { ascending: " ↑", descending: " ↓" }[column.sorted] || "";
  return html`<th key=${place} scope="col" aria-sort=${column.sorted || "none"}>
    <button type="button" class="sdg-link" onClick=${column.onSort}>${column.title}${arrow}</button>
  </th>`;
}

function FlawLine({ flaw, ...props }) {
  const line = flaw.line ? `Line ${flaw.line}: ` : "";
  const hint = flaw.severity === "hint" ? "Hint: " : "";
  return html`<p class="sdg-flaw" ...${props}><${Sign} name=${flaw.severity} />${line}${hint}${flaw.message}</p>`;
}

function Field({ id, label, flaws = [], children }) {
  const isWrong = flaws.some((flaw) => flaw.severity === "error");
  return html`<div class="sdg-field ${isWrong ? "sdg-flawed" : ""}">
    <label for=${id}>${label}</label>
    ${children}
    <div id="${id}-flaws">${flaws.map((flaw) => html`<${FlawLine} flaw=${flaw} />`)}</div>
  </div>`;
}

// options: names, or { value, label }.
function Choice({ value, options: entries, onChoice, ...props }) {
  const option = (entry) => {
    const { value: name, label } =
      typeof entry === "string" ? { value: entry, label: entry } : entry;
    return html`<option key=${name} value=${name}>${label}</option>`;
  };
  return html`<select value=${value} onChange=${(event) => onChoice(event.target.value)} ...${props}>
    ${entries.map(option)}
  </select>`;
}

// Tabs as WAI-ARIA has them: arrows move, and only the open one is in the order of Tab. tabs: { name, label, body },
// where the body is a function. Which is open is kept in `ui.local` under `name`.
function Tabs({ ui, name, tabs }) {
  const open = tabs.find((tab) => tab.name === ui.local[name]) || tabs[0];
  const prefix = `${ui.id}-${name}`;
  const show = (tab) => {
    ui.local[name] = tab.name;
    ui.draw();
  };
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(open) + step + tabs.length) % tabs.length];
    show(next);
    ui.focus(`${name}-${next.name}`);
  };
  const button = (tab) => html`<button
    key=${tab.name}
    id="${prefix}-${tab.name}"
    type="button"
    role="tab"
    aria-selected=${String(tab === open)}
    aria-controls="${prefix}-body"
    tabindex=${tab === open ? 0 : -1}
    onClick=${() => show(tab)}
  >${tab.label}</button>`;
  return html`<div class="sdg-tabs">
    <div role="tablist" onKeyDown=${move}>${tabs.map(button)}</div>
    <div role="tabpanel" id="${prefix}-body" aria-labelledby="${prefix}-${open.name}" key=${open.name}>
      ${open.body()}
    </div>
  </div>`;
}

// What changes many times a second is not read aloud.
function Heading({ state }) {
  const live = state.sign === "running" ? "off" : "polite";
  return html`<header>
    <h3 class="sdg-title">${state.title} ${state.folder && html`<small>${state.folder}</small>`}</h3>
    <p class="sdg-status" role="status" aria-live=${live}>
      <${Sign} name=${state.sign} />${state.status}
      ${state.notice && html`${" \u00b7 "}<span class="sdg-notice">${state.notice}</span>`}
    </p>
  </header>`;
}

function ErrorLine({ children }) {
  return html`<p class="sdg-error" role="alert"><${Sign} name="error" />${children}</p>`;
}

// The kernel ----------------------------------------------------------------------------------------------------------

const PATIENCE_MS = 1500; // the kernel answers every message at once, unless it is busy or gone
const GONE = "The kernel is gone: run the cell again.";
const SILENT = "The kernel is not answering: it is busy or gone. What you do here will wait for it.";

// By cell, what no kernel has taken in, and what is only in a kernel's memory: the next panel of the same cell gets it.
// Both outlive a panel's view.
const unsentTexts = (globalThis[Symbol.for("sdgkit.unsent texts")] ??= new Map());
const unsavedDrafts = (globalThis[Symbol.for("sdgkit.unsaved drafts")] ??= new Map());
const knownPanels = (globalThis[Symbol.for("sdgkit.known panels")] ??= new Set()); // a view may be opened again

// The link of one view to its kernel. Nothing is sent at regular intervals: that would keep an idle kernel from being
// shut down, and the notebook's busy light blinking. A check is sent when you turn to the panel.
class KernelLink {
  constructor(model, onChange) {
    this.model = model;
    this.onChange = onChange;
    this.problem = "";
    this.hasAnswered = false;
    this.waiting = new Set(); // the ids of messages without an answer
    this.texts = new Map(); // messages with texts that the panel has not taken in yet, by id
    this.prefix = Math.random().toString(36).slice(2);
    this.number = 0;
    this.lastCheck = 0;
    this.receive = this.receive.bind(this);
    this.checkLife = this.checkLife.bind(this);
    model.on("msg:custom", this.receive);
    model.on("comm_live_update", this.checkLife);
  }

  close() {
    this.model.off("msg:custom", this.receive);
    this.model.off("comm_live_update", this.checkLife);
  }

  // isText: what you typed is kept for the next panel, should this kernel be gone.
  act(action, values = {}, { isText = false } = {}) {
    this.send({ action, arguments: values }, isText);
  }

  check() {
    const now = Date.now();
    if (this.waiting.size || now - this.lastCheck < PATIENCE_MS) return;
    this.lastCheck = now;
    this.send({}, false);
  }

  send(message, isText) {
    const id = `${this.prefix}-${(this.number += 1)}`;
    this.waiting.add(id);
    if (isText) {
      this.texts.set(id, message);
      this.keepUnsent();
    }
    try {
      this.model.send({ ...message, id });
    } catch {
      this.report(GONE); // the connection is closed for good
      return;
    }
    setTimeout(() => this.miss(id), PATIENCE_MS);
  }

  // A front end without messages from the kernel answers nothing: that is not a kernel that is gone.
  miss(id) {
    if (this.hasAnswered && this.waiting.has(id)) this.report(this.problem || SILENT);
  }

  receive(message) {
    if (this.texts.delete(message.done)) this.keepUnsent();
    if (!this.waiting.delete(message.received)) return;
    this.hasAnswered = true;
    if (!this.waiting.size) this.report("");
  }

  // ipywidgets says that the connection has changed, before it is closed.
  checkLife() {
    setTimeout(() => this.send({}, false), 100);
  }

  report(problem) {
    if (problem === this.problem) return;
    this.problem = problem;
    this.onChange();
  }

  // Keep what was typed and not taken in, in order.
  keepUnsent() {
    const messages = [...this.texts.values()];
    const key = this.key();
    if (key && messages.length) unsentTexts.set(key, messages);
    else unsentTexts.delete(key);
  }

  // Send what was typed while an earlier kernel was gone.
  sendUnsent() {
    const messages = unsentTexts.get(this.key()) || [];
    unsentTexts.delete(this.key());
    for (const message of messages) this.send({ ...message, is_late: true }, true);
  }

  // unsaved: { content, restore }: what you can type in the panel, and the actions that put it back into another one;
  // none where it is on disk.
  keepUnsaved({ content, restore }) {
    const key = this.key();
    if (!key) return;
    const kept = unsavedDrafts.get(key);
    const panel = this.model.get("state").id;
    const text = JSON.stringify(content);
    this.beginning ??= kept?.panel === panel ? kept.beginning : text;
    const isNew = !knownPanels.has(panel);
    knownPanels.add(panel);
    if (isNew && kept?.restore && kept.beginning === this.beginning) {
      for (const [action, values] of kept.restore) this.send({ action, arguments: values }, false);
    }
    const isChanged = text !== this.beginning;
    unsavedDrafts.set(key, { panel, beginning: this.beginning, restore: isChanged ? restore : null });
  }

  // Where the front end does not name its cells, nothing is handed on: it might reach another panel.
  key() {
    const { cell, title } = this.model.get("state");
    return cell && `${cell} ${title}`;
  }
}

// The panel -----------------------------------------------------------------------------------------------------------

const FIELDS = /^(TEXTAREA|INPUT|SELECT)$/;

// Keys that are pressed in a panel are the panel's: in JupyterLab, `d d` would delete the cell. The notebook's Ctrl+S
// is handed on to what is around the panel, unless the panel saves something of its own.
function guardKeys(root, onKey) {
  root.addEventListener("keydown", (event) => {
    const isCommand = event.ctrlKey || event.metaKey;
    const key = isCommand ? `Ctrl+${event.key}` : event.key;
    const isTyping = FIELDS.test(event.target.tagName);
    let isDone = !event.altKey && onKey(key, isTyping, event.target);
    if (key === "Escape" && isTyping && !isDone) {
      root.focus({ preventScroll: true }); // what is typed stays
      isDone = true;
    }
    event.stopPropagation();
    if (isDone) event.preventDefault();
    else if (key === "Ctrl+s") {
      event.preventDefault();
      root.parentElement.dispatchEvent(new KeyboardEvent("keydown", event));
    }
  });
}

const panels = {}; // by kind: each script puts its own { view, onKey, unsaved } here; a panel can hold others

// What a panel's view works with. Both `view` and `onKey` get it; `unsaved` says of a state what would be lost with the
// kernel.
//   state: what the kernel sent        act: does what a click does       type: the same for a text that you typed
//   local: what this view alone knows  draw: draws again                 focus: moves the focus to an element
function panelOf(panel) {
  return {
    render({ model, el }) {
      // A notebook that was saved with the state of its widgets shows them again without a kernel. Such a panel would
      // do nothing: the still picture stays in its place.
      if (isCutOff(el)) return () => {};
      return showPanel(panel, model, el);
    },
  };
}

function isCutOff(el) {
  return el.closest(".jupyter-widgets-disconnected") !== null;
}

function showPanel({ view, onKey = () => false, unsaved = null }, model, el) {
  const root = document.createElement("section");
  const { id, title } = model.get("state");
  root.className = `sdg sdg-${title.toLowerCase()}`;
  root.tabIndex = -1;
  root.setAttribute("aria-label", title);
  root.setAttribute("data-lm-suppress-shortcuts", "true");

  // The still picture that follows is for pages without live panels.
  const hideStill = document.createElement("style");
  hideStill.textContent = `.sdg-still-${id}{display:none}`;
  el.append(hideStill, root);

  const link = new KernelLink(model, () => ui.draw());
  const ui = {
    id: `sdg-${id}-${link.prefix}`, // a panel can have several views on one page
    local: {},
    act: (action, values) => link.act(action, values),
    type: (action, values) => link.act(action, values, { isText: true }),
    focus: (name) => focusOn(`${ui.id}-${name}`),
    draw: () => {
      ui.state = model.get("state");
      const hadFocus = root.contains(document.activeElement);
      render(frame(ui, view, link.problem), root);
      // The button that was pressed may be gone: keys stay with the panel, and do not reach the notebook.
      if (hadFocus && !root.contains(document.activeElement))
        root.focus({ preventScroll: true });
    },
  };
  const keepUnsaved = () => unsaved && link.keepUnsaved(unsaved(model.get("state")));
  model.on("change:state", keepUnsaved);
  model.on("change:state", ui.draw);
  guardKeys(root, (key, isTyping, target) => onKey(ui, key, isTyping, target));
  for (const turning of ["pointerenter", "focusin"])
    root.addEventListener(turning, () => link.check());
  ui.draw();
  link.check();
  keepUnsaved();
  link.sendUnsent();
  return () => {
    for (const run of [...unsentWork]) run(); // a view may go while you type in it
    model.off("change:state", keepUnsaved);
    model.off("change:state", ui.draw);
    link.close();
    render(null, root);
  };
}

// Saving would have overwritten a file: the panel asks.
function conflictOf({ state, act }) {
  const { sentence, file, is_own: isOwn } = state.conflict;
  const save = () => act("save", { path: file, overwrite: true });
  return html`<div>
    <${ErrorLine}>${sentence}<//>
    <${Row}>
      <${Button} label=${isOwn ? "Keep mine" : "Overwrite it"} onClick=${save} />
      <${Button} label=${isOwn ? "Load theirs" : "Load it instead"} onClick=${() => act("load", { path: file })} />
      <${Button} label="Not now" onClick=${() => act("dismiss")} />
    <//>
  </div>`;
}

function focusOn(id) {
  document.getElementById(id)?.focus();
}

function frame(ui, view, problem = "") {
  return html`
    <${Heading} state=${ui.state} />
    ${problem && html`<${ErrorLine}>${problem}<//>`}
    ${ui.state.error && html`<${ErrorLine}>${ui.state.error}<//>`}
    ${ui.state.conflict && conflictOf(ui)}
    ${view(ui)}
  `;
}
