// Packages that ship ES modules only. Node 20.19 can require them, Jest's own loader cannot: swc turns them into CommonJS.
const esModulesOnly = [
  'htmlparser2',
  'domhandler',
  'domutils',
  'dom-serializer',
  'domelementtype',
  'entities',
  'node-pg-migrate',
].join('|');

const project = {
  testEnvironment: 'node',
  testMatch: ['**/*.spec.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
        module: { type: 'commonjs' },
      },
    ],
    [`/node_modules/(?:${esModulesOnly})/.+\\.js$`]: [
      '@swc/jest',
      { jsc: { target: 'es2022' }, module: { type: 'commonjs' } },
    ],
  },
  transformIgnorePatterns: [`/node_modules/(?!(?:${esModulesOnly})/)`],
};

module.exports = {
  projects: [
    {
      // Suffix says what a test needs: .spec nothing, .int.spec one real part, .e2e.spec the whole system as processes.
      ...project,
      displayName: 'mailfold',
      roots: ['<rootDir>/test'],
      globalSetup: '<rootDir>/test/support/global-setup.ts',
      globalTeardown: '<rootDir>/test/support/global-teardown.ts',
      testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/conformance/[^/]+$'],
    },
    {
      // One set of servers for all its specs: a conforming server may not care what else it serves.
      ...project,
      displayName: 'conformance',
      testMatch: ['<rootDir>/test/conformance/*.spec.ts'],
      globalSetup: '<rootDir>/test/conformance/support/global-setup.ts',
      globalTeardown: '<rootDir>/test/conformance/support/global-teardown.ts',
    },
  ],
  testSequencer: '<rootDir>/test/support/longest-first.cjs',
  reporters: ['default', '<rootDir>/test/support/count-reporter.cjs'],
  // A bound on what hangs, not on speed: machines that run tests are slow and shared.
  testTimeout: 120_000,
  // A snapshot that is missing is a failure here as well; `-u` writes it.
  ci: true,
  // As many as the cores that CI has: with more, whole systems starve each other, and time limits begin to decide.
  maxWorkers: 2,
};
