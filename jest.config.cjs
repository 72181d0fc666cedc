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

/** Suffix says what a test needs: .spec nothing, .int.spec one real part, .e2e.spec the whole system as processes. */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
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
  reporters: ['default', '<rootDir>/test/support/count-reporter.cjs'],
  testTimeout: 60_000,
  maxWorkers: 2,
};
