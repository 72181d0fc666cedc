// What `npm run boundaries` enforces. Each comment is what a developer reads when the rule bites.
module.exports = {
  forbidden: [
    {
      name: 'domain-is-pure',
      severity: 'error',
      comment:
        'domain/ decides from its arguments alone: no npm package, no node: built-in, nothing of apps/ or projections/.',
      from: { path: '^domain/' },
      to: { pathNot: '^domain/' },
    },
    {
      name: 'aggregates-stay-apart',
      severity: 'error',
      comment: 'One aggregate never reads another: what they share lies directly in domain/.',
      from: { path: '^domain/([^/]+)/' },
      to: { path: '^domain/([^/]+)/', pathNot: '^domain/$1/' },
    },
    {
      name: 'projections-read-events-only',
      severity: 'error',
      comment: 'A projection folds recorded events into rows. It neither decides nor does I/O.',
      from: { path: '^projections/' },
      to: { pathNot: ['^projections/', '^domain/.+\\.events\\.ts$', '^domain/[^/]+\\.ts$'] },
    },
    {
      name: 'tiers-stay-apart',
      severity: 'error',
      comment: 'No tier reads the tables of another tier.',
      from: { path: '^projections/([^/]+)/' },
      to: { path: '^projections/([^/]+)/', pathNot: '^projections/$1/' },
    },
    {
      name: 'apps-stay-apart',
      severity: 'error',
      comment: 'Two processes meet through the log, the databases and HTTP, never through an import.',
      from: { path: '^apps/([^/]+)/', pathNot: '^apps/shared/' },
      to: { path: '^apps/([^/]+)/', pathNot: ['^apps/$1/', '^apps/shared/'] },
    },
    {
      name: 'shared-knows-no-app',
      severity: 'error',
      comment: 'apps/shared holds adapters; an app imports it, never the other way round.',
      from: { path: '^apps/shared/' },
      to: { path: '^apps/(?!shared/)' },
    },
    {
      name: 'query-api-cannot-write',
      severity: 'error',
      comment: 'The query API reads tiers only: never the log, never the domain.',
      from: { path: '^apps/query-api/' },
      to: { path: ['^domain/', '^apps/shared/event-store/', '@eventstore/'] },
    },
    {
      name: 'one-door-to-the-event-store',
      severity: 'error',
      comment: 'The client and its bugs are known to apps/shared/event-store alone.',
      from: { pathNot: ['^apps/shared/event-store/'] },
      to: { path: 'node_modules/@eventstore/' },
    },
    {
      name: 'a-rebuild-has-no-side-effects',
      severity: 'error',
      comment:
        'The rebuild tool and the projector are given no means to send mail, call out or touch a reactor.',
      from: { path: '^apps/(mailfold|projector)/' },
      to: { path: ['^apps/shared/side-effects/', 'node_modules/nodemailer/'] },
    },
    {
      name: 'a-bulk-load-reaches-no-side-effect',
      severity: 'error',
      comment:
        'Filling and proving generations is given no means, however far away, to send mail, decide commands, serve or call HTTP, or tell Redis.',
      from: { path: '^apps/shared/(rebuilding|proving)/' },
      to: {
        path: [
          '^apps/shared/(side-effects|redis|http|threading)/',
          '^apps/shared/event-store/handle-command\\.ts$',
          '^apps/shared/mail/compose-mail\\.ts$',
          'node_modules/(nodemailer|redis|@redis|fastify|@nestjs)/',
        ],
        reachable: true,
      },
    },
    {
      name: 'a-bulk-load-makes-no-connection-of-its-own',
      severity: 'error',
      comment: 'Its ways out are the log (apps/shared/event-store) and PostgreSQL (apps/shared/postgres).',
      from: { path: '^apps/shared/(rebuilding|proving)/' },
      to: { path: '^(node:)?(http|https|http2|net|tls|dgram|child_process)$' },
    },
    {
      name: 'no-circular',
      severity: 'error',
      comment: 'A cycle has no first file to read.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      severity: 'error',
      comment: 'An import that resolves to nothing is checked by nobody.',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['require', 'node', 'default', 'import', 'types'],
    },
  },
};
