/**
 * The page of the events, for browsers: one static HTML file made from the AsyncAPI document. It has no script, no inline style
 * and no address outside of its folder, so it works under a strict Content-Security-Policy, from disk and without internet.
 */
export function eventsPage({ info, channels, components: { messages, schemas } }) {
  const { checkpoint, ...events } = messages;
  const groups = groupByPrefix(Object.values(events));
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${html(info.title)}</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="events.css">
  </head>
  <body>
    <nav aria-label="Kinds of events">
      <p><a href="#top">${html(info.title)}</a></p>
      <ul>
        <li><a href="#channels">Channels</a></li>
        <li><a href="#headers">Headers</a></li>
        <li><a href="#values">Values</a></li>
      </ul>
${Object.entries(groups).map(navigationOf).join('\n')}
    </nav>
    <main id="top">
      <h1>${html(info.title)} <small>${html(info.version)}</small></h1>
      <p>${marked(info.description)}</p>
      <p><a href="asyncapi.yaml">AsyncAPI 3 document</a></p>
      <h2 id="channels">Channels</h2>
${Object.values(channels).map(channelOf).join('\n')}
      <h3>Checkpoint</h3>
      <p>${marked(checkpoint.description)}</p>
      <pre>${html(checkpoint.examples[0].payload)}</pre>
      <h2 id="headers">Headers of every event</h2>
      <p>${marked(schemas.Headers.description)}</p>
${fieldsOf(schemas.Headers, schemas)}
      <h2 id="values">Values</h2>
${Object.entries(schemas).flatMap(schemaOf(schemas)).join('\n')}
      <h2>Kinds</h2>
${Object.values(events)
  .map((message) => eventOf(message, schemas))
  .join('\n')}
    </main>
  </body>
</html>
`;
}

function groupByPrefix(messages) {
  const groups = {};
  for (const message of messages) (groups[message.title.split('.')[0]] ??= []).push(message);
  return groups;
}

function navigationOf([group, messages]) {
  const items = messages.map(({ title }) => `<li><a href="#${html(title)}">${html(title)}</a></li>`);
  return `      <p>${html(group)}</p>\n      <ul>${items.join('')}</ul>`;
}

function channelOf({ address, description }) {
  return `      <h3><code>${html(address)}</code></h3>\n      <p>${marked(description)}</p>`;
}

/** The headers have a section of their own, and the key is no object. */
function schemaOf(schemas) {
  return ([name, schema]) =>
    name === 'Headers' || schema.properties === undefined
      ? []
      : [
          `      <h3 id="schema-${html(name)}">${html(name)}</h3>`,
          ...(schema.description ? [`      <p>${marked(schema.description)}</p>`] : []),
          fieldsOf(schema, schemas),
        ];
}

function eventOf({ title, summary, payload, examples: [example] }) {
  const [{ $ref }, own] = payload.allOf;
  const base = $ref.split('/').at(-1);
  const detail = own.properties.unmapped.allOf[1].properties.detail;
  return `      <section id="${html(title)}">
        <h3>${html(title)}</h3>
        <p>${marked(summary)}.</p>
        <p><a href="#schema-${html(base)}">${html(base)}</a>, activity ${html(own.properties.activity_name.const)}</p>
${detail.properties === undefined ? '' : `        <p>Fields of <code>unmapped.detail</code>:</p>\n${fieldsOf(detail, {})}`}
        <details>
          <summary>Example</summary>
          <pre>${html(
            Object.entries(example.headers)
              .map(([name, value]) => `${name}: ${value}`)
              .join('\n'),
          )}

${html(JSON.stringify(example.payload, null, 2))}</pre>
        </details>
      </section>`;
}

function fieldsOf({ properties, required = [] }, schemas) {
  const rows = Object.entries(properties).map(
    ([name, field]) =>
      `          <tr><td><code>${html(name)}</code></td><td>${typeOf(field)}</td><td>${required.includes(name) ? 'yes' : ''}</td><td>${marked(meaningOf(field, schemas))}</td></tr>`,
  );
  return `        <div class="table" tabindex="0"><table>
          <tr><th>field</th><th>type</th><th>always there</th><th>meaning</th></tr>
${rows.join('\n')}
        </table></div>`;
}

function typeOf({ $ref, type, const: only, enum: values, properties }) {
  if ($ref !== undefined) {
    const name = html($ref.split('/').at(-1));
    return `<a href="#schema-${name}">${name}</a>`;
  }
  if (only !== undefined) return `<code>${html(JSON.stringify(only))}</code>`;
  if (values !== undefined) return values.map((value) => `<code>${html(JSON.stringify(value))}</code>`).join(' ');
  return html(properties === undefined ? (type ?? 'any') : `object: ${Object.keys(properties).join(', ')}`);
}

function meaningOf({ $ref, description }, schemas) {
  return description ?? ($ref && schemas[$ref.split('/').at(-1)]?.description) ?? '';
}

/** Text in which code spans are marked as in Markdown. */
function marked(text) {
  return html(text).replace(/`([^`]*)`/g, '<code>$1</code>');
}

function html(text) {
  const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return String(text).replace(/[&<>"']/g, (character) => entities[character]);
}
