// The shelf: all skills with their progress, and below them the one that you open.

const HEAD = ["skill", "state", "progress", "samples", "dropped"];

function view(ui) {
  const { state } = ui;
  return html`
    <${Row}>
      ${state.start_label && startButtons(ui)}
      <progress max="1" value=${state.fraction} aria-label="share of the work that is done"></progress>
    <//>
    ${state.plan && html`<${Soft}>${state.plan}<//>`}
    <${Facts} facts=${state.facts} />
    <${Table} name="skills" class="sdg-shelf-table" head=${HEAD} rows=${state.skills.map((skill) => cells(ui, skill))} />
    ${state.opened ? openedSkill(ui) : html`<${Soft}>A click on a skill shows its stages and its newest samples.<//>`}
  `;
}

function startButtons({ state, act }) {
  return html`
    <${Button} label=${state.start_label} main disabled=${!state.can_start} onClick=${() => act("start")} />
    <${Button} label="Cancel" disabled=${!state.can_cancel} onClick=${() => act("cancel")} />
  `;
}

function cells({ state, act }, skill) {
  const isOpen = state.opened?.name === skill.name;
  const toggle = () => act("skill", { name: isOpen ? "" : skill.name });
  return [
    html`<button type="button" class="sdg-link" aria-expanded=${String(isOpen)} onClick=${toggle}>${skill.name}</button>`,
    html`<span><${Sign} name=${skill.sign} />${skill.state}</span>${skill.message && html`<p class="sdg-soft">${skill.message}</p>`}`,
    html`<progress max="1" value=${skill.fraction} aria-label="progress of ${skill.name}"></progress>`,
    formatNumber(skill.samples),
    formatNumber(skill.dropped),
  ];
}

function openedSkill({ state }) {
  const { name, picture, newest } = state.opened;
  return html`<section class="sdg-opened" aria-label=${name}>
    <h4>${name}</h4>
    ${!picture && html`<${Soft}>It has not begun yet.<//>`}
    <div class="sdg-two sdg-picture-first">
      ${picture && html`<${Drawing} class="sdg-picture" svg=${picture} />`}
      <div>${newest.map(newSample)}</div>
    </div>
  </section>`;
}

function newSample(sample) {
  return html`<article key=${sample.id} class="sdg-item">
    <header>
      <code>${sample.id}</code>
      <span class="sdg-soft">${typeof sample.score === "number" && `score ${sample.score}`}</span>
    </header>
    <h4>question</h4>
    <${LongText} text=${sample.question} most=${240} />
    <h4>response</h4>
    <${LongText} text=${sample.response} most=${400} />
  </article>`;
}

panels.shelf = { view };
