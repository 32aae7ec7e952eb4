// The export: a format, a file, and its first rows.

function view(ui) {
  const { state, act, type, id } = ui;
  return html`
    <div class="sdg-fields">
      <${Field} id="${id}-format" label="format">
        <${Choice} id="${id}-format" value=${state.format} options=${state.formats} onChoice=${(format) => act("choose", { format })} />
      <//>
      <${Field} id="${id}-path" label="file">
        <${TextInput}
          id="${id}-path"
          text=${state.path}
          revision=${state.format}
          onChange=${(event) => type("choose", { path: event.target.value })}
        />
      <//>
    </div>
    <${Row}><${Button} label="Export" main onClick=${() => act("export")} /><//>
    ${
      state.preview.length > 0 &&
      html`<section aria-label="first rows">
      <h4>The first of ${formatNumber(state.rows)} rows</h4>
      ${state.preview.map((row) => html`<div class="sdg-item"><${Text}>${row}<//></div>`)}
    </section>`
    }
  `;
}

panels.export = { view };
