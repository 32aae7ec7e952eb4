// Shared by all panels: elements made from a description and mended in place (so nothing jumps, no cursor is lost), the
// keyboard's guard, and the parts that panels are put together from. Text reaches the page as text nodes only.

const TEXT = "#text";

function h(tag, props, ...kids) {
  const list = [];
  const add = (kid) => {
    if (Array.isArray(kid)) kid.forEach(add);
    else if (kid !== null && kid !== undefined && kid !== false && kid !== "")
      list.push(typeof kid === "object" ? kid : { tag: TEXT, props: {}, text: plain(String(kid)) });
  };
  kids.forEach(add);
  return { tag, props: props || {}, kids: list };
}

// Control, half-pair and direction characters are made visible: a reply must not turn the text around it.
function plain(text) {
  return text
    .replace(/\r\n/g, "\n")
    .replace(/[\x00-\x08\x0b-\x1f]/g, (sign) => String.fromCharCode(0x2400 + sign.charCodeAt(0)))
    .replace(/\x7f/g, "\u2421")
    .replace(/[\x80-\x9f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd")
    .replace(/[\u202a-\u202e\u2066-\u2069]/g, (sign) => `[U+${sign.charCodeAt(0).toString(16).toUpperCase()}]`);
}

function mend(parent, kids) {
  const keyed = new Map();
  for (const node of parent.childNodes) if (node.sdgKey !== undefined) keyed.set(node.sdgKey, node);
  let at = parent.firstChild;
  for (const kid of kids) {
    const key = kid.props.key;
    let node = key !== undefined ? keyed.get(key) : at;
    if (!node || node.sdgTag !== kid.tag || node.sdgKey !== key) node = make(kid);
    if (node === at) at = at.nextSibling;
    else parent.insertBefore(node, at);
    keyed.delete(key);
    fill(node, kid);
  }
  while (at) {
    const next = at.nextSibling;
    parent.removeChild(at);
    at = next;
  }
}

function make(kid) {
  const node = kid.tag === TEXT ? document.createTextNode("") : document.createElement(kid.tag);
  node.sdgTag = kid.tag;
  node.sdgKey = kid.props.key;
  node.sdgProps = {};
  node.sdgOn = {};
  return node;
}

function fill(node, kid) {
  if (kid.tag === TEXT) {
    if (node.data !== kid.text) node.data = kid.text;
    return;
  }
  const before = node.sdgProps;
  node.sdgProps = kid.props;
  for (const name in before) if (!(name in kid.props)) put(node, name, null, before[name]);
  for (const name in kid.props) if (name !== "value") put(node, name, kid.props[name], before[name]);
  if (kid.props.drawing === undefined) mend(node, kid.kids);
  if ("value" in kid.props) putValue(node, kid.props);
}

function put(node, name, value, before) {
  if (name === "key" || name === "rev") return;
  if (name.startsWith("on")) {
    const event = name.slice(2).toLowerCase();
    if (!(event in node.sdgOn)) node.addEventListener(event, (happened) => node.sdgOn[event]?.(happened));
    node.sdgOn[event] = value;
  } else if (value === before) return;
  else if (name === "drawing") node.innerHTML = value || ""; // only ever sdgkit's own, escaped where it is made
  else if (name === "checked" || name === "disabled" || name === "indeterminate") node[name] = Boolean(value);
  else if (name === "open" && before !== undefined) return; // whoever reads opens and closes
  else if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : value);
}

// What is being typed wins over what the kernel said before; `rev` tells of a text that replaces it all the same.
function putValue(node, props) {
  if (node.sdgValue === props.value && node.sdgRev === props.rev && node.tagName !== "SELECT") return;
  const typing = node.getRootNode().activeElement === node && node.tagName !== "SELECT" && node.sdgRev === props.rev;
  if (!typing && node.value !== props.value) node.value = props.value;
  node.sdgValue = props.value;
  node.sdgRev = props.rev;
}

// Does the work a moment after the last call; `now` does it at once, and not a second time.
function later(wait, work) {
  let timer;
  const soon = (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), wait);
  };
  soon.now = (...given) => {
    clearTimeout(timer);
    work(...given);
  };
  return soon;
}

// Parts ---------------------------------------------------------------------------------------------------------------

const SIGNS = {
  new: "○", running: "▶", paused: "‖", done: "✓", cancelled: "■", failed: "✕", interrupted: "✕", none: "○", good: "✓", bad: "✕", busy: "▶", warn: "!",
  undecided: "○", accepted: "✓", edited: "✎", rejected: "✕", outdated: "!", error: "✕", warning: "!", hint: "·",
};

function sign(name) {
  return h("span", { class: `sdg-sign sdg-is-${name}`, "aria-hidden": "true" }, SIGNS[name] || "○");
}

function button(label, onClick, more = {}) {
  const { main, keys, ...rest } = more;
  const props = { type: "button", class: main ? "sdg-main" : null, onClick, ...rest };
  if (keys) props["aria-keyshortcuts"] = keys;
  return h("button", props, label, keys && h("kbd", { "aria-hidden": "true" }, keys));
}

function row(key, ...kids) {
  return h("div", { class: "sdg-row", key }, kids);
}

function soft(...words) {
  return h("p", { class: "sdg-soft" }, words);
}

// The heading with its one line of status, and what went wrong. What changes many times a second is not read aloud.
function heading(state) {
  return [
    h("h3", { class: "sdg-title", key: "title" }, state.title, " ", state.folder && h("small", {}, state.folder)),
    h("p", { class: "sdg-status", role: "status", "aria-live": state.sign === "running" ? "off" : "polite", key: "status" },
      sign(state.sign), state.words, state.told && [" \u00b7 ", h("span", { class: "sdg-told" }, state.told)]),
    state.error && h("p", { class: "sdg-error", role: "alert", key: "error" }, sign("error"), state.error),
  ];
}

function facts(pairs) {
  return h("dl", { class: "sdg-facts", key: "facts" },
    pairs.map(([name, value]) => h("div", { key: name }, h("dt", {}, name), h("dd", {}, value))));
}

function pre(text, more = {}) {
  return h("pre", { dir: "auto", ...more }, text);
}

// A text as it is; where it is long, the rest unfolds.
function long(text, most = 1500) {
  text = String(text ?? "");
  if (text.length <= most * 1.2) return pre(text);
  let cut = Math.max(text.lastIndexOf("\n", most), text.lastIndexOf(" ", most));
  cut = cut > most / 2 ? cut : most;
  const rest = text.slice(cut).replace(/^\n/, "");
  return h("div", {}, pre(text.slice(0, cut)), fold(`${rest.length.toLocaleString("en")} more characters`, pre(rest)));
}

function fold(title, body, more = {}) {
  return h("details", more, h("summary", {}, title), body);
}

// A list that scrolls in itself, and can be reached with Tab for that.
function list(name, more, ...kids) {
  return h("div", { class: "sdg-list", role: "region", tabindex: 0, "aria-label": name, ...more }, kids);
}

function table(name, head, rows, more = {}) {
  return h("div", { class: "sdg-scroll", role: "region", tabindex: 0, "aria-label": name, key: name }, h("table", more,
    h("thead", {}, h("tr", {}, head.map((title, place) => h("th", { scope: "col", key: place }, title)))),
    h("tbody", {}, rows.map((cells, place) => h("tr", { key: place },
      cells.map((cell, at) => at ? h("td", { key: at }, cell) : h("th", { scope: "row", key: at }, cell)))))));
}

function flawed(flaw, more = {}) {
  return h("p", { class: "sdg-flaw", ...more }, sign(flaw.severity), flaw.line ? `Line ${flaw.line}: ` : "", flaw.severity === "hint" && "Hint: ", flaw.words);
}

function field(id, label, control, flaws = []) {
  return h("div", { class: `sdg-field${flaws.some((flaw) => flaw.severity === "error") ? " sdg-flawed" : ""}`, key: id },
    h("label", { for: id }, label), control, h("div", { id: `${id}-flaws` }, flaws.map((flaw) => flawed(flaw))));
}

function input(props) {
  return h("input", { autocomplete: "off", spellcheck: "false", ...props });
}

function choice(id, value, options, onChoice, more = {}) {
  return h("select", { id, value, onChange: (e) => onChoice(e.target.value), ...more },
    options.map((option) => {
      const [name, words] = Array.isArray(option) ? option : [option, option];
      return h("option", { key: name, value: name, selected: name === value }, words);
    }));
}

// Tabs as WAI-ARIA has them: arrows move, the chosen one alone is in the order of Tab.
function tabs(id, names, chosen, onChoice, body) {
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = names.findIndex(([name]) => name === chosen);
    const next = names[(at + step + names.length) % names.length][0];
    onChoice(next);
    setTimeout(() => document.getElementById(`${id}-${next}`)?.focus(), 0);
  };
  return h("div", { class: "sdg-tabs", key: id },
    h("div", { role: "tablist", onKeydown: move },
      names.map(([name, words]) => h("button", {
        key: name, type: "button", role: "tab", id: `${id}-${name}`, "aria-selected": String(name === chosen),
        "aria-controls": `${id}-body`, tabindex: name === chosen ? 0 : -1, onClick: () => onChoice(name),
      }, words))),
    h("div", { role: "tabpanel", id: `${id}-body`, "aria-labelledby": `${id}-${chosen}` }, body));
}

// The same where the view alone knows which is open. names: [name, words, body, a function] of each.
function ownTabs(ui, name, names) {
  const open = names.find(([one]) => one === ui.local[name]) || names[0];
  return tabs(`${ui.id}-${name}`, names, open[0], (one) => { ui.local[name] = one; ui.draw(); }, open[2]());
}

// The panel itself ----------------------------------------------------------------------------------------------------

// JupyterLab reads the keys that are pressed while a button of ours has the focus: `d d` would delete the cell. Ctrl+S
// is the notebook's, unless the panel saves something of its own.
function guard(root, hotkeys) {
  root.addEventListener("keydown", (event) => {
    const command = event.ctrlKey || event.metaKey;
    const typing = /^(TEXTAREA|INPUT|SELECT)$/.test(event.target.tagName);
    const done = hotkeys && hotkeys(command ? `Ctrl+${event.key}` : event.altKey ? "" : event.key, typing, event.target);
    if (done) event.preventDefault();
    if (done || !(command && event.key === "s")) event.stopPropagation();
  });
}

// view and hotkeys get `ui`: the state, `act` for clicks, `draw`, and `local`, what this view alone knows.
function panelOf(kind, view, hotkeys) {
  return {
    render({ model, el }) {
      const root = document.createElement("section");
      root.className = `sdg sdg-${kind}`;
      root.tabIndex = -1;
      const ui = { id: `sdg-${model.get("state").id}`, local: {}, act: (name, said = {}) => model.send({ do: name, said }) };
      const hide = document.createElement("style"); // the still picture that follows is for where no panel lives
      hide.textContent = `.sdg-still-${model.get("state").id}{display:none}`;
      el.append(hide, root);
      ui.draw = () => {
        ui.state = model.get("state");
        root.setAttribute("aria-label", ui.state.title);
        const inside = root.contains(document.activeElement);
        mend(root, h("section", {}, heading(ui.state), view(ui)).kids);
        // The button that was pressed may be gone: the keys stay with the panel, and do not fall to the notebook.
        if (inside && !root.contains(document.activeElement)) root.focus({ preventScroll: true });
      };
      model.on("change:state", ui.draw);
      guard(root, hotkeys && ((keys, typing, target) => hotkeys(keys, typing, ui, target)));
      ui.draw();
      return () => model.off("change:state", ui.draw);
    },
  };
}
