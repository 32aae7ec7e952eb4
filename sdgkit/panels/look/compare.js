// The comparison: the numbers of both versions, and the replies row by row, side by side.

function view(ui) {
  const { state, act, local, id } = ui;
  const is_good = (side) => side.texts.length > 0 && (side.kept > 0 || !state.judged);
  const words = (side) => [
    side.scores.length > 0 && `score ${side.scores.join(", ")}`,
    state.judged && side.texts.length > 0 && (side.tried > 1 ? `${side.kept} of ${side.tried} kept` : side.kept ? "kept" : "dropped"),
    side.reason,
  ].filter(Boolean).join(" · ");
  const differs = ({ sides: [one, other] }) => is_good(one) !== is_good(other) || words(one) !== words(other);
  const rows = local.different ? state.rows.filter(differs) : state.rows;
  return [
    row("buttons",
      button(state.rows.length ? "Compare again" : "Compare", () => act("compare", { most: local.most || 0 }), { main: true, disabled: Boolean(state.busy) }),
      button("Cancel", () => act("cancel"), { disabled: !state.busy }),
      h("label", { for: `${id}-most` }, "on"),
      choice(`${id}-most`, String(local.most || 0), [["0", "all rows"], ["5", "5 rows"], ["20", "20 rows"]], (most) => { local.most = Number(most); }, { class: "sdg-short" })),
    state.sides.length > 0 && table("numbers", ["", ...state.names], numbers(state), { class: "sdg-numbers" }),
    state.rows.length > 0 && h("label", { class: "sdg-check", key: "different" }, h("input", { type: "checkbox", checked: Boolean(local.different), onChange: (e) => { local.different = e.target.checked; ui.draw(); } }), " only rows that differ"),
    state.rows.length > 0 && list("rows", { key: "rows" }, rows.length === 0 && soft("No row differs."),
      rows.map((one) => h("section", { class: "sdg-item", key: one.id, "aria-label": one.id }, h("code", {}, one.id),
        h("div", { class: "sdg-pair" }, one.sides.map((side, place) => h("div", { key: place },
          h("h4", {}, sign(is_good(side) ? "good" : "bad"), [state.names[place], words(side)].filter(Boolean).join(": ")), long(text(side)))))))),
  ];
}

function numbers({ sides, judged }) {
  return [
    ["read", ...sides.map((side) => `${side.parsed} of ${side.tried}`)],
    judged && ["would pass the filter", ...sides.map((side) => `${side.passed} of ${side.tried}`)],
    judged && ["mean score", ...sides.map((side) => side.mean_score === null ? "…" : side.mean_score.toFixed(2))],
    ["tokens written", ...sides.map((side) => side.completion_tokens.toLocaleString("en"))],
  ].filter(Boolean);
}

// What one version brought, without the score, which stands above it; or the reply that could not be read.
function text(side) {
  const texts = side.texts.map((columns) => Object.entries(columns).filter(([name]) => name !== "score").map(([, value]) => value).join("\n"));
  return texts.join("\n\n") || side.reply;
}

export default panelOf("compare", view);
