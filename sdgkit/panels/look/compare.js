// The comparison: the numbers of both versions, and the replies row by row, side by side.

function view(ui) {
  const { state, act, local, id } = ui;
  const differs = ({ sides: [one, other] }) => one.good !== other.good || one.words !== other.words;
  const rows = local.different ? state.rows.filter(differs) : state.rows;
  return [
    row("buttons",
      button(state.rows.length ? "Compare again" : "Compare", () => act("compare", { most: local.most || 0 }), { main: true, disabled: Boolean(state.busy) }),
      button("Cancel", () => act("cancel"), { disabled: !state.busy }),
      h("label", { for: `${id}-most` }, "on"),
      choice(`${id}-most`, String(local.most || 0), [["0", "all rows"], ["5", "5 rows"], ["20", "20 rows"]], (most) => { local.most = Number(most); }, { class: "sdg-short" })),
    state.table.length > 0 && table("numbers", ["", ...state.names], state.table, { class: "sdg-numbers" }),
    state.rows.length > 0 && h("label", { class: "sdg-check", key: "different" }, h("input", { type: "checkbox", checked: Boolean(local.different), onChange: (e) => { local.different = e.target.checked; ui.draw(); } }), " only rows that differ"),
    state.rows.length > 0 && list("rows", { key: "rows" }, rows.length === 0 && soft("No row differs."),
      rows.map((one) => h("section", { class: "sdg-item", key: one.id, "aria-label": one.id }, h("code", {}, one.id),
        h("div", { class: "sdg-pair" }, one.sides.map((side, place) => h("div", { key: place },
          h("h4", {}, sign(side.good ? "good" : "bad"), `${state.names[place]}${side.words ? `: ${side.words}` : ""}`), long(side.text))))))),
  ];
}

export default panelOf("compare", view);
