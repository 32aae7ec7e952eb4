// The comparison: the numbers of both versions, and the replies row by row, side by side.

const AMOUNTS = [
  { value: "0", label: "all rows" },
  { value: "5", label: "5 rows" },
  { value: "20", label: "20 rows" },
];

function view(ui) {
  const { state, act, local, id } = ui;
  const most = local.most || 0;
  const label = state.rows.length ? "Compare again" : "Compare";
  const choose = (amount) => {
    local.most = Number(amount);
    ui.draw();
  };
  return html`
    <${Row}>
      <${Button} label=${label} main disabled=${Boolean(state.busy)} onClick=${() => act("compare", { most })} />
      <${Button} label="Cancel" disabled=${!state.busy} onClick=${() => act("cancel")} />
      <label for="${id}-most">on</label>
      <${Choice} id="${id}-most" class="sdg-short" value=${String(most)} options=${AMOUNTS} onChoice=${choose} />
    <//>
    ${
      state.sides.length > 0 &&
      html`<${Table} name="numbers" class="sdg-numbers" head=${["", ...state.names]} rows=${numbers(state)} />`
    }
    ${state.rows.length > 0 && results(ui)}
  `;
}

function numbers({ sides, judged }) {
  const parsed = ["parsed", ...sides.map((side) => `${side.parsed} of ${side.tried}`)];
  const tokens = ["tokens written", ...sides.map((side) => formatNumber(side.completion_tokens))];
  if (!judged) return [parsed, tokens];
  const passed = [
    "would pass the filter",
    ...sides.map((side) => `${side.passed} of ${side.tried}`),
  ];
  const scores = [
    "mean score",
    ...sides.map((side) => (side.mean_score === null ? "…" : side.mean_score.toFixed(2))),
  ];
  return [parsed, passed, scores, tokens];
}

function results(ui) {
  const { state, local } = ui;
  const rows = local.onlyDifferent
    ? state.rows.filter((row) => differs(row, state.judged))
    : state.rows;
  const toggle = (event) => {
    local.onlyDifferent = event.target.checked;
    ui.draw();
  };
  return html`
    <label class="sdg-check">
      <input type="checkbox" checked=${Boolean(local.onlyDifferent)} onChange=${toggle} /> only rows that differ
    </label>
    <${List} name="rows">
      ${rows.length === 0 && html`<${Soft}>No rows differ.<//>`}
      ${rows.map((row) => comparedRow(state, row))}
    <//>
  `;
}

function comparedRow(state, row) {
  const side = (result, place) => html`<div key=${place}>
    <h4>
      <${Sign} name=${isGood(result, state.judged) ? "good" : "bad"} />
      ${[state.names[place], verdict(result, state.judged)].filter(Boolean).join(": ")}
    </h4>
    ${result.reason && html`<p>${result.reason}</p>`}
    <${Marked} stretches=${row.marked[place]} />
    ${result.evaluations.length > 0 && html`<div class="sdg-judge"><h4>The judge</h4><${LongText} text=${result.evaluations.join("\n\n")} /></div>`}
  </div>`;
  return html`<section class="sdg-item" key=${row.id} aria-label=${row.id}>
    <code>${row.id}</code>
    <${Fold} title="input">
      ${row.inputs.map(([name, text]) => html`<div><h4>${name}</h4><${LongText} text=${text} /></div>`)}
    <//>
    <div class="sdg-pair">${row.sides.map(side)}</div>
  </section>`;
}

function isGood(result, judged) {
  return result.texts.length > 0 && (result.kept > 0 || !judged);
}

function differs({ sides: [first, second] }, judged) {
  return (
    isGood(first, judged) !== isGood(second, judged) ||
    verdict(first, judged) !== verdict(second, judged)
  );
}

function verdict(result, judged) {
  const parts = [];
  if (result.scores.length) parts.push(`score ${result.scores.join(", ")}`);
  if (judged && result.texts.length) {
    if (result.tried > 1) parts.push(`${result.kept} of ${result.tried} kept`);
    else parts.push(result.kept ? "kept" : "dropped");
  }
  if (result.reason) parts.push(result.reason);
  return parts.join(" · ");
}

panels.compare = { view };
