// The comparison: the numbers of both versions, and the replies row by row, side by side.

function view(state, act, local, draw) {
  const id = `sdg-${state.id}`;
  const rows = local.different ? state.rows.filter((row) => row.sides[0].good !== row.sides[1].good || row.sides[0].words !== row.sides[1].words) : state.rows;
  return [
    ...heading(state.title, state.sign, state.words),
    ...trouble(state),
    h("div", { class: "sdg-row", key: "buttons" },
      button(state.rows.length ? "Compare again" : "Compare", () => act("compare", { most: local.most || 0 }), { main: true, key: "go", disabled: Boolean(state.busy) }),
      button("Cancel", () => act("cancel"), { key: "cancel", disabled: !state.busy }),
      h("label", { for: `${id}-most`, key: "label" }, "on"),
      h("select", { id: `${id}-most`, key: "most", class: "sdg-short", value: String(local.most || 0), onChange: (e) => { local.most = Number(e.target.value); } },
        [["0", "all rows"], ["5", "5 rows"], ["20", "20 rows"]].map(([value, words]) => h("option", { value, key: value }, words)))),
    state.table.length > 0 && h("table", { class: "sdg-numbers", key: "table" },
      h("thead", {}, h("tr", {}, h("th", {}), state.names.map((name) => h("th", { scope: "col", class: "sdg-n", key: name }, name)))),
      h("tbody", {}, state.table.map(([what, ...numbers]) => h("tr", { key: what }, h("th", { scope: "row" }, what), numbers.map((number, place) => h("td", { class: "sdg-n", key: place }, number)))))),
    state.rows.length > 0 && h("label", { class: "sdg-check", key: "different" }, h("input", { type: "checkbox", checked: Boolean(local.different), onChange: (e) => { local.different = e.target.checked; draw(); } }), " only rows that differ"),
    state.rows.length > 0 && h("div", { key: "rows", class: "sdg-list", tabindex: 0, "aria-label": "rows" }, rows.length === 0 && h("p", { class: "sdg-soft" }, "No row differs."),
      rows.map((row) => h("section", { class: "sdg-item", key: row.id, "aria-label": row.id }, h("code", {}, row.id),
        h("div", { class: "sdg-pair" }, row.sides.map((side, place) => h("div", { key: place },
          h("h4", {}, h("span", { class: side.good ? "sdg-is-good" : "sdg-is-bad", "aria-hidden": "true" }, side.good ? "✓ " : "✕ "), `${state.names[place]}${side.words ? `: ${side.words}` : ""}`), long(side.text, 800))))))),
  ];
}

export default panelOf("compare", view);
